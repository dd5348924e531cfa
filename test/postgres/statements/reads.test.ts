/** What is read of tables, beside what `MemoryStorage` says of the same orders. */
import assert from 'node:assert/strict';
import type { Hold, StoredOrder, StoredOrderQuery } from 'order-processor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { QuerySessions } from '../../../src/postgres/sessions/query-sessions.ts';
import { Session } from '../../../src/postgres/sessions/session.ts';
import { Reads } from '../../../src/postgres/statements/reads.ts';
import type { FencedWrites } from '../../../src/postgres/writes/fenced-writes.ts';
import { Random } from '../../../src/testing/random.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import {
  filledMemory,
  keep,
  openSession,
  ownerWritesOf,
  readsOf,
  reportOf,
  start,
  users,
} from './kept.ts';

let server: PostgresServer;
let session: Session;
let reads: Reads;
let writes: FencedWrites;
const random = new Random(7);
const memory = filledMemory(random);

beforeAll(async () => {
  server = await PostgresServer.start();
  session = await openSession(server, 'reads');
  reads = readsOf(session, 'reads');
  writes = await ownerWritesOf(session, 'reads');
  await keep(session, everything(), appliedAtOf);
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

function everything(): readonly StoredOrder[] {
  return memory.list({ limit: 1_000 }).orders;
}

/** In memory, times are those of all users. By settlement. */
const appliedAt = new Map<number, number>();
let latest = 0;
for (const { settlement = 0, settledAt = 0 } of memory.settled({ after: 0, limit: 1_000 }).orders) {
  latest = Math.max(latest, settledAt);
  appliedAt.set(settlement, latest);
}

function appliedAtOf({ settlement = 0 }: StoredOrder): number {
  return appliedAt.get(settlement) ?? 0;
}

/** As JSON keeps it: a field that is `undefined` counts as absent. Attempts are counted in another way. */
function plain(orders: readonly StoredOrder[]): unknown {
  return JSON.parse(JSON.stringify(orders.map((order) => ({ ...order, attempt: 1 }))));
}

async function pagesOf(query: StoredOrderQuery): Promise<StoredOrder[]> {
  const orders: StoredOrder[] = [];
  for (let before = query.before; ; ) {
    const page = await reads.list({ ...query, before });
    assert.ok(page.orders.length <= query.limit);
    orders.push(...page.orders);
    if (page.next === undefined) return orders;
    assert.ok(page.next < (before ?? Number.POSITIVE_INFINITY), '`next` goes down');
    before = page.next;
  }
}

describe('find', () => {
  it('gives each order as it was kept', async () => {
    const all = everything();
    expect(all.filter(({ postings }) => postings.length > 0).length).toBeGreaterThan(100);
    expect(all.filter(({ compensations }) => compensations).length).toBeGreaterThan(3);
    for (const order of all.slice(0, 100)) expect(await reads.find(order.id)).toEqual(order);
    const open = all.find(({ status }) => status === 'pending') as StoredOrder;
    await session.query('UPDATE partitions SET epoch = epoch + 2');
    expect(await reads.find(open.id)).toEqual({ ...open, attempt: 3 });
    expect(await reads.find('unknown')).toBeUndefined();
  });
});

describe('list (invariant 5)', () => {
  it('gives what meets all conditions, in pages of any size', async () => {
    const times = [undefined, start, start + 7, start + 30, start + 99];
    for (const userId of [undefined, ...users, 'unknown']) {
      for (const status of [undefined, 'pending', 'completed', 'failed', 'canceled'] as const) {
        const acceptedFrom = random.pick(times);
        const acceptedBefore = random.pick(times);
        const query = { userId, status, acceptedFrom, acceptedBefore };
        const { orders } = memory.list({ ...query, limit: 1_000 });
        const limit = random.pick([1, 7, orders.length || 1, 1_000]);
        const got = await pagesOf({ ...query, limit });
        assert.deepEqual(plain(got), plain(orders), JSON.stringify({ ...query, limit }));
        const before = random.pick(everything()).sequence;
        const rest = await pagesOf({ ...query, limit: 1_000, before });
        assert.deepEqual(plain(rest), plain(orders.filter(({ sequence }) => sequence < before)));
      }
    }
  });

  it('ends a page by its bytes, and has one order in any case', async () => {
    const all = plain(everything());
    for (const maxBytes of [1, 300, 1_000_000]) {
      const limit = maxBytes === 1 ? 2 : 500;
      expect((await reads.list({ limit, maxBytes })).orders.length).toBeGreaterThan(0);
      expect(plain(await pagesOf({ limit, maxBytes }))).toEqual(all);
    }
    expect((await reads.list({ limit: 500, maxBytes: 300 })).orders.length).toBeLessThan(50);
  });
});

describe('unsettled, due and delayed', () => {
  it('give unsettled orders by their acceptance or by their times', async () => {
    for (const upTo of [undefined, start - 1, start + 9, start + 99]) {
      const all: StoredOrder[] = [];
      for await (const orders of reads.unsettled(upTo)) all.push(...orders);
      const expected: StoredOrder[] = [];
      for await (const orders of memory.unsettled(upTo)) expected.push(...orders);
      expect(plain(all)).toEqual(plain(expected));
    }
    for (const upTo of [start, start + 9, start + 99]) {
      for (const limit of [1, 5, 500]) {
        const after = { notBefore: start + 3, sequence: 50 };
        const page = await reads.due({ after, upTo, limit });
        const expected = memory.due({ after, upTo, limit });
        expect(plain(page.orders)).toEqual(plain(expected.orders));
        expect(page.next).toBe(expected.next);
      }
      expect(await reads.delayed(upTo)).toBe(memory.delayed(upTo));
    }
  });
});

describe('settled, movements, balanceAt and get', () => {
  it('give what was settled in the order applied', async () => {
    const { orders: all } = memory.settled({ after: 0, limit: 1_000 });
    for (const after of [0, 7, all.at(-2)?.settlement ?? 0, all.at(-1)?.settlement ?? 0]) {
      for (const limit of [1, 9, 1_000]) {
        const page = await reads.settled({ after, limit });
        const expected = memory.settled({ after, limit });
        expect(plain(page.orders)).toEqual(plain(expected.orders));
        expect({ ...page, orders: [] }).toEqual({ ...expected, orders: [] });
      }
    }
  });

  it('give each change of a balance once, by its time too', async () => {
    const times = [undefined, start, start + 10, start + 30, start + 45, start + 99];
    for (const userId of [...users, 'unknown']) {
      for (const from of times) {
        for (const before of times) {
          const after = random.pick([0, 0, 100]);
          const query = { userId, after, from, before, limit: random.pick([1, 3, 500]) };
          expect(await reads.movements(query)).toEqual(memory.movements(query));
        }
        const time = from ?? 0;
        expect(await reads.balanceAt(userId, time)).toEqual(memory.balanceAt(userId, time));
      }
      expect(await reads.get(userId)).toBe(memory.get(userId));
    }
  });
});

describe('hold and release', () => {
  it('keep one hold for each user, and give them in one order', async () => {
    const failed = { orderId: 'o\0', code: 'own', message: '\0', compensated: ['one\0'] };
    for (const [at, userId] of users.entries()) {
      const reason = at % 2 ? `Reason \0 ${at}` : undefined;
      const hold: Hold = { userId, reason, heldAt: start + at, ...(at % 3 === 0 && failed) };
      await writes.hold({ userId, reason: 'Replaced', heldAt: 0 });
      await writes.hold(hold);
      memory.hold(hold);
    }
    const all: Hold[] = [];
    for (let page = await reads.holds({ limit: 2 }); page.length > 0; ) {
      all.push(...page);
      page = await reads.holds({ after: all.at(-1)?.userId, limit: 2 });
    }
    const expected = memory.holds({ limit: 100 });
    expect(new Map(all.map((hold) => [hold.userId, hold]))).toEqual(
      new Map(expected.map((hold) => [hold.userId, hold])),
    );
    expect(all).toHaveLength(users.length);
    for (const userId of users) await writes.release(userId);
    await writes.release('unknown');
    expect(await reads.holds({ limit: 100 })).toEqual([]);
  });

  it('a release forgets the outcome of the order that is tried again, and keeps what was compensated', async () => {
    const decided = everything().filter((order) => order.decided !== undefined);
    const [order, other] = decided as [StoredOrder, StoredOrder];
    await writes.hold({ userId: order.userId, reason: undefined, heldAt: 1, orderId: order.id });
    await writes.release(order.userId, { orderId: order.id, compensations: { 'a\0': 1 } });
    const tried = (await reads.find(order.id)) as StoredOrder;
    const expected = { ...order, decided: undefined, compensations: { 'a\0': 1 } };
    expect(plain([tried])).toEqual(plain([expected]));
    expect((await reads.find(other.id))?.decided).toEqual(other.decided);
    expect(await reads.holds({ limit: 9 })).toEqual([]);
    const settled = everything().find(({ status }) => status === 'failed') as StoredOrder;
    await writes.release(settled.userId, { orderId: settled.id, compensations: {} });
    expect(await reads.find(settled.id)).toEqual(settled);
  });
});

describe('check', () => {
  it('finds nothing in what was kept', async () => {
    expect(await reads.check()).toEqual([]);
  });

  it.each([
    ['UPDATE balances SET balance = balance + 1 WHERE user_id = $1', 'but its movements sum up to'],
    ['DELETE FROM balances WHERE user_id = $1', 'is none, but its movements sum up to'],
    ['DELETE FROM credits WHERE user_id = $1', 'but its movements sum up to'],
    [`UPDATE balances SET balance = 9007199254740993 WHERE user_id = $1`, 'is 9007199254740993'],
    [`UPDATE orders SET payload = '{' WHERE user_id = $1 AND payload IS NOT NULL`, 'is no JSON'],
    ['UPDATE outcomes SET amount = 9007199254740993 WHERE user_id = $1', 'safe integers'],
    ['UPDATE outcomes SET status = 9 WHERE user_id = $1', 'its status is none'],
    ['DELETE FROM outcomes WHERE user_id = $1', 'is neither settled nor unsettled'],
    [
      'INSERT INTO pending (seq, epoch, part, user_id) SELECT seq, 0, 0, user_id FROM outcomes WHERE user_id = $1',
      'is both settled and unsettled',
    ],
    ['DELETE FROM orders WHERE user_id = $1', 'A row of outcomes has no order: its seq is'],
  ])('finds what was changed by hand: %s', async (sql, problem) => {
    await session.query('BEGIN');
    await session.query(sql, ['u-1']);
    const problems = await reads.check();
    await session.query('ROLLBACK');
    expect(problems.join('\n')).toContain(problem);
    expect(problems.length).toBeLessThanOrEqual(700);
  });

  it('a page is without the orders that cannot be read, and says so', async () => {
    const warnings: string[] = [];
    const take = ({ message }: Error): void => void warnings.push(message);
    process.on('warning', take);
    await session.query('BEGIN');
    await session.query(`UPDATE orders SET payload = '{', amount = $1 WHERE seq = 7`, [
      '9007199254740993',
    ]);
    const { orders } = await reads.list({ limit: 1_000 });
    await expect(
      reads.find(everything().find(({ sequence }) => sequence === 7)?.id ?? ''),
    ).rejects.toThrow('cannot be read');
    await session.query('ROLLBACK');
    await new Promise(setImmediate);
    process.off('warning', take);
    expect(orders).toHaveLength(everything().length - 1);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(
      /it is left out of lists. `check\(\)` of the schema "reads" finds all/,
    );
  });
});

describe('prune', () => {
  it('deletes old orders, and no balance, movement or past balance becomes wrong', async () => {
    const schema = 'pruned';
    const other = await openSession(server, schema);
    const pruned = readsOf(other, schema);
    await keep(other, everything(), appliedAtOf);
    // As a settlement has them locked.
    const settling = await openSession(server, schema);
    await settling.query('BEGIN');
    await settling.query('SELECT FROM balances FOR UPDATE');
    for (const before of [start + 20, start + 35]) {
      const isOld = (order: StoredOrder): boolean =>
        order.acceptedAt < before && (order.settledAt ?? before) < before;
      const old = everything().filter(isOld);
      const left = everything().filter((order) => !isOld(order));
      const listed = (await pruned.list({ limit: 1_000 })).orders.length;
      expect(await pruned.prune(before)).toBe(listed - left.length);
      expect(await pruned.prune(before)).toBe(0);
      expect(plain((await pruned.list({ limit: 1_000 })).orders)).toEqual(plain(left));
      const forgotten = Math.max(...old.map(({ settlement }) => settlement as number));
      const { orders, ...page } = await pruned.settled({ after: 0, limit: 1_000 });
      const settled = memory.settled({ after: forgotten, limit: 1_000 });
      expect(plain(orders)).toEqual(plain(settled.orders.filter((order) => !isOld(order))));
      expect(page).toEqual({ next: settled.next, last: settled.last, forgotten });
      for (const userId of users) await checkUser(pruned, userId, new Set(old.map(({ id }) => id)));
      expect(await pruned.check()).toEqual([]);
    }
    await settling.query('ROLLBACK');
  });

  it('is one for several processors at a time', async () => {
    const sessions = await Promise.all([1, 2, 3].map(() => openSession(server, 'several')));
    await keep(sessions[0] as Session, everything(), appliedAtOf);
    const all = sessions.map((each) => readsOf(each, 'several'));
    const counts = await Promise.all(all.map((each) => each.prune(start + 999)));
    const settled = everything().filter(({ settlement }) => settlement !== undefined);
    expect(counts.reduce((one, count) => one + count)).toBe(settled.length);
    expect(await all[0]?.check()).toEqual([]);
    const [row] = await (sessions[0] as Session).query<{ count: number }>(
      'SELECT count(*) AS count FROM credits',
    );
    expect(row?.count).toBe(0);
  });
});

describe('sessions', () => {
  it('another one is opened when one has ended, and none after `close`', async () => {
    let opened = 0;
    const sessions = new QuerySessions(async (onEnd) => {
      opened += 1;
      return Session.open({ connectionString: server.url }, 'SET search_path = reads', onEnd);
    });
    const several = new Reads(sessions, 'reads', reportOf('reads'));
    await Promise.all([several.get('u-0'), several.find('o-0'), several.holds({ limit: 1 })]);
    expect(opened).toBe(1);
    const pid = await sessions.ask(async (each) => each.pid);
    await session.query('SELECT pg_terminate_backend($1)', [pid]);
    expect(await several.get('u-0')).toBe(memory.get('u-0'));
    expect(opened).toBe(2);
    expect(await several.check()).toEqual([]);
    expect(opened).toBe(3);
    await several.close();
    await expect(several.get('u-0')).rejects.toThrow('The storage is closed');
    await expect(several.check()).rejects.toThrow('The storage is closed');
  });

  it('a database that is not reached is asked again the next time', async () => {
    let tries = 0;
    const sessions = new QuerySessions(async (onEnd) => {
      tries += 1;
      const url = tries === 1 ? 'postgres://me@127.0.0.1:1/none' : server.url;
      return Session.open({ connectionString: url }, 'SET search_path = reads', onEnd);
    });
    const several = new Reads(sessions, 'reads', reportOf('reads'));
    await expect(several.get('u-0')).rejects.toThrow('ECONNREFUSED');
    expect(await several.get('u-0')).toBe(memory.get('u-0'));
    await several.close();
  });
});

/** What is left of a user's history. */
async function checkUser(pruned: Reads, userId: string, old: ReadonlySet<string>): Promise<void> {
  const { movements } = memory.movements({ userId, after: 0, limit: 1_000 });
  const last = movements.findLast(({ orderId }) => old.has(orderId));
  const left = movements.filter(
    ({ orderId, sequence }) => sequence > (last?.sequence ?? 0) && !old.has(orderId),
  );
  const got = await pruned.movements({ userId, after: 0, limit: 1_000 });
  expect(got).toEqual({ movements: left, next: undefined, forgotten: last?.sequence ?? 0 });
  expect(await pruned.get(userId)).toBe(memory.get(userId));
  const at = (orderId: string): number => appliedAtOf(memory.find(orderId) as StoredOrder);
  for (let time = start; time < start + 75; time += 6) {
    const movement = left.findLast(({ orderId }) => at(orderId) <= time) ?? last;
    const isForgotten = movement === last && last !== undefined && time < at(last.orderId);
    const balance = isForgotten ? undefined : movement?.balance;
    expect(await pruned.balanceAt(userId, time)).toEqual({ balance, isForgotten });
  }
}
