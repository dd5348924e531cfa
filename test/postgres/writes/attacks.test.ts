import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SettlementResult } from '../../../src/core/storage/order-storage.ts';
import { newOrder, settlementOf } from '../../../src/testing/orders.ts';
import { someSteps } from '../../../src/testing/samples.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import { again, Trial } from './kit.ts';
import { SilentProxy } from './silent-proxy.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

/** Until the processor owns its partitions again: before, its settlements are lost. */
function settleAgain(trial: Trial, settlements: Parameters<Trial['storage']['settle']>[0]) {
  return again<readonly SettlementResult[]>(async () => {
    const results = await trial.storage.settle(settlements);
    if (results.some(({ status }) => status === 'lost')) throw new Error('Lost');
    return results;
  });
}

const transfer = newOrder('o-1', { amount: -5, postings: [{ userId: 'v', amount: 5 }] });

/** What the tables have of the orders' money. */
async function ledger(trial: Trial): Promise<unknown> {
  const [row] = await trial.query(`SELECT
    (SELECT json_agg(json_build_array(user_id, balance) ORDER BY user_id) FROM balances) AS balances,
    (SELECT count(*)::int FROM outcomes) AS outcomes, (SELECT count(*)::int FROM credits) AS credits,
    (SELECT count(*)::int FROM pending) AS pending`);
  return row;
}

const before = { balances: null, outcomes: 0, credits: 0, pending: 1 };
const after = {
  balances: [
    ['u', -5],
    ['v', 5],
  ],
  outcomes: 1,
  credits: 1,
  pending: 0,
};

describe('a session that ends', () => {
  it.each([
    ['at an order', 'SELECT FROM pending FOR UPDATE'],
    ['at a balance', `INSERT INTO balances VALUES ('v', 0, 0, 0, 0)`],
    ['behind the balances', 'LOCK TABLE processors IN ACCESS EXCLUSIVE MODE'],
    ['behind the number', 'LOCK TABLE credits IN ACCESS EXCLUSIVE MODE'],
  ])(
    '%s of a settlement leaves nothing of it, and it is settled once (invariants 3, 9)',
    async (_, lock) => {
      await using trial = await Trial.start(server);
      await trial.storage.accept([transfer]);
      await trial.query('BEGIN');
      await trial.query(lock);
      const lost = trial.storage.settle([settlementOf(transfer)]);
      const pid = await trial.waiting('settle');
      const isRejected = expect(lost).rejects.toThrow();
      await trial.query('SELECT pg_terminate_backend($1)', [pid]);
      await isRejected;
      await trial.query('ROLLBACK');
      expect(await ledger(trial)).toEqual(before);
      const [result] = await settleAgain(trial, [settlementOf(transfer)]);
      expect(result).toEqual({ status: 'settled', balance: -5, balances: [5] });
      expect(await ledger(trial)).toEqual(after);
    },
  );

  it('in an accept leaves nothing of it, and the call can come again', async () => {
    await using trial = await Trial.start(server);
    await trial.query('BEGIN');
    await trial.query('LOCK TABLE pending IN ACCESS EXCLUSIVE MODE');
    const lost = trial.storage.accept([newOrder('o-1'), newOrder('o-2')]);
    const pid = await trial.waiting('accept');
    const isRejected = expect(lost).rejects.toThrow();
    await trial.query('SELECT pg_terminate_backend($1)', [pid]);
    await isRejected;
    await trial.query('ROLLBACK');
    const results = await again(() => trial.storage.accept([newOrder('o-1'), newOrder('o-2')]));
    expect(results.map(({ status }) => status)).toEqual(['kept', 'kept']);
    await trial.member.until('They come', () => trial.member.given.length >= 2);
    expect(trial.member.idsOf('u')).toEqual(['o-1', 'o-2']);
  });
});

describe('an answer that is lost', () => {
  it('after the commit of a settlement: it is known when it comes again (invariant 3)', async () => {
    await using proxy = await SilentProxy.start(server.port);
    await using trial = await Trial.start(server, { proxyPort: proxy.port });
    await trial.storage.accept([transfer]);
    const { sequence } = (await trial.storage.find('o-1')) ?? {};
    proxy.silence();
    const settlement = settlementOf(transfer, { sequence });
    const lost = expect(trial.storage.settle([settlement])).rejects.toThrow();
    await again(async () => expect(await ledger(trial)).toEqual(after));
    proxy.cut();
    await lost;
    const [result] = await settleAgain(trial, [settlementOf(transfer)]);
    expect(result).toMatchObject({ status: 'known', order: { status: 'completed', balance: -5 } });
    expect(await ledger(trial)).toEqual(after);
  });

  it('after the commit of an accept: the orders are known, and come to their owner', async () => {
    await using proxy = await SilentProxy.start(server.port);
    await using trial = await Trial.start(server, { proxyPort: proxy.port });
    proxy.silence();
    const lost = expect(trial.storage.accept([transfer])).rejects.toThrow();
    await again(async () => expect(await ledger(trial)).toEqual(before));
    proxy.cut();
    await lost;
    const [result] = await again(() => trial.storage.accept([transfer]));
    expect(result).toMatchObject({ status: 'known', order: { id: 'o-1', status: 'pending' } });
    await trial.member.until('It comes', () => trial.member.given.length > 0);
  });
});

describe('while an open transaction takes ids', () => {
  it('no other order waits for long, the first time or later, and the user of a taken one keeps its order', async () => {
    await using trial = await Trial.start(server);
    await trial.query('BEGIN');
    await trial.query(`INSERT INTO orders (seq, amount, accepted_at, part, priority, id, user_id)
      VALUES (nextval('order_sequence'), 0, 0, 0, 1, 'taken', 'u')`);
    for (let round = 0; round < 3; round += 1) {
      const others = Array.from({ length: 200 }, (_, at) =>
        newOrder(`o-${round}-${at}`, { userId: `v-${at}` }),
      );
      const of = [newOrder(`before-${round}`), newOrder('taken'), newOrder(`after-${round}`)];
      const startedAt = performance.now();
      const results = await trial.storage.accept([...others, ...of]);
      expect(performance.now() - startedAt).toBeLessThan(900);
      const statuses = results.map(({ status }) => status);
      expect(statuses.slice(0, 201)).toEqual(Array(201).fill('kept'));
      expect(statuses.slice(201)).toEqual(['failed', 'kept']);
    }
    await trial.query('ROLLBACK');
    const results = await trial.storage.accept([newOrder('taken'), newOrder('last')]);
    expect(results.map(({ status }) => status)).toEqual(['kept', 'kept']);
    await trial.member.until('They come', () => trial.member.idsOf('u').length >= 8);
    const each = [0, 1, 2].flatMap((round) => [`before-${round}`, `after-${round}`]);
    expect(trial.member.idsOf('u')).toEqual([...each, 'taken', 'last']);
  });

  it('a table that is locked for a moment, as by a migration, is waited for', async () => {
    await using trial = await Trial.start(server);
    await trial.query('BEGIN');
    await trial.query('LOCK TABLE orders IN ACCESS EXCLUSIVE MODE');
    const accepted = trial.storage.accept([newOrder('o-1')]);
    await sleep(600);
    await trial.query('ROLLBACK');
    expect(await accepted).toMatchObject([{ status: 'kept' }]);
    await trial.member.until('It comes', () => trial.member.given.length === 1);
  });
});

it('what is asked of owners while ids of a call are being taken is kept', async () => {
  await using trial = await Trial.start(server);
  await trial.query('BEGIN');
  await trial.query(`INSERT INTO orders (seq, amount, accepted_at, part, priority, id, user_id)
    SELECT nextval('order_sequence'), 0, 0, 0, 1, 'o-' || n, 'u' FROM generate_series(0, 7) n`);
  let isAccepting = true;
  const orders = Array.from({ length: 64 }, (_, at) => newOrder(`o-${at}`));
  const accepting = trial.storage.accept(orders).finally(() => {
    isAccepting = false;
  });
  const asked: Promise<unknown>[] = [];
  for (; isAccepting; await sleep(15)) {
    const request = { id: `r-${asked.length}`, userId: 'u', request: '{}' };
    asked.push(Promise.resolve(trial.storage.shared.request(request)));
  }
  await trial.query('ROLLBACK');
  expect((await accepting).filter(({ status }) => status === 'failed').length).toBe(8);
  await Promise.all(asked);
  const [row] = await trial.query<{ count: number }>('SELECT count(*)::int AS count FROM requests');
  expect(row?.count).toBe(asked.length);
});

it('an own order that comes from memory is what would be read', async () => {
  await using trial = await Trial.start(server);
  const orders = [
    newOrder('o-1', { payload: { a: [1] }, labels: ['one'], retryOf: 'o-0', priority: 'high' }),
    newOrder('o-2', { content: 'c', postings: transfer.postings, expiresAt: 2 ** 42 }),
  ];
  await trial.storage.accept(orders);
  await trial.member.until('They come', () => trial.member.given.length >= 2);
  for (const { order } of trial.member.given) {
    expect(order).toEqual(await trial.storage.find(order.id));
  }
});

describe('bad values', () => {
  it('U+0000 and its stand-in are kept wherever a text may have them', async () => {
    await using trial = await Trial.start(server);
    const text = (name: string): string => `${name}\0\uf8ff0\uf8ff1\uf8ff\0\0"\\{},'`;
    const order = newOrder(text('id'), {
      userId: text('user'),
      amount: -1,
      payload: { [text('key')]: [text('payload')] },
      content: text('content'),
      labels: [text('label')],
      postings: [{ userId: text('other'), amount: 1 }],
    });
    const plain = newOrder('plain', { userId: text('user') });
    await trial.storage.accept([order, plain]);
    const { sequence = 0 } = (await trial.storage.find(order.id)) ?? {};
    const remembered = [{ step: text('step'), result: text('result'), amount: 1 }];
    await trial.storage.remember([{ ...order, sequence, steps: remembered }]);
    expect(await trial.storage.find(order.id)).toMatchObject({ ...order, remembered });
    const cause = { name: 'TypeError', message: text('cause') };
    const error = { code: 'own', message: text('message'), retryable: true } as never;
    const provisional = { outcome: 'failed', isProvisional: true, error, cause } as const;
    await trial.storage.settle([settlementOf(plain, provisional)]);
    expect((await trial.storage.find('plain'))?.decided).toEqual({
      ...{ outcome: 'failed', code: 'own', message: text('message'), retryable: true, cause },
    });
    const steps = someSteps.map((step) => ({ ...step, name: text(step.name) }));
    const results = { [text('step')]: text('result') };
    await trial.storage.settle([
      settlementOf(order, { steps, results }),
      settlementOf(plain, { outcome: 'failed', error, cause, steps }),
    ]);
    const [completed, failed] = [
      await trial.storage.find(order.id),
      await trial.storage.find('plain'),
    ];
    expect(completed).toMatchObject({ status: 'completed', balance: -1, results });
    expect(completed?.steps.map(({ name }) => name)).toEqual(steps.map(({ name }) => name));
    expect(completed?.postings).toMatchObject([{ userId: text('other'), amount: 1, balance: 1 }]);
    expect(failed).toMatchObject({ code: 'own', message: text('message'), cause });
    expect(await trial.storage.get(text('other'))).toBe(1);
    await trial.storage.amend(order.id, []);
    expect((await trial.storage.find(order.id))?.steps).toEqual([]);
  });

  it('a balance beyond the safe integers, set by hand, takes no credit and can be debited', async () => {
    await using trial = await Trial.start(server);
    await trial.query(
      `INSERT INTO balances VALUES ('u', ${2n ** 53n + 1n}, 0, 0, 0), ('v', 7, 0, 0, 0)`,
    );
    const of = (id: string, amount: number, userId = 'u') =>
      settlementOf(newOrder(id, { amount, userId }), { isAccepted: false, minBalance: 0 });
    await expect(trial.storage.get('u')).rejects.toThrow('no safe integer');
    const results = await trial.storage.settle([
      of('a', 1),
      of('b', 1, 'v'),
      of('c', -1),
      of('d', -1),
      of('e', 3),
    ]);
    const overflow = { status: 'refused', code: 'balance_overflow' };
    expect(results).toEqual([
      overflow,
      { status: 'settled', balance: 8 },
      overflow,
      overflow,
      overflow,
    ]);
    const back = await trial.storage.settle([of('f', -2), of('g', -10)]);
    expect(back).toEqual(
      [2 ** 53 - 1, 2 ** 53 - 11].map((balance) => ({ status: 'settled', balance })),
    );
    expect(await trial.storage.get('u')).toBe(2 ** 53 - 11);
  });

  it('a row that the database refuses fails alone, and the others are kept in their order', async () => {
    await using trial = await Trial.start(server);
    await trial.query('ALTER TABLE orders ADD CHECK (amount <> 666)');
    const orders = [1, 2, 666, 3, 666, 4].map((amount, at) => newOrder(`o-${at}`, { amount }));
    const results = await trial.storage.accept([...orders, newOrder('o-1')]);
    const expected = ['kept', 'kept', 'failed', 'kept', 'failed', 'kept', 'known'];
    expect(results.map(({ status }) => status)).toEqual(expected);
    await trial.member.until('They come', () => trial.member.given.length >= 4);
    expect(trial.member.idsOf('u')).toEqual(['o-0', 'o-1', 'o-3', 'o-5']);
    expect(await trial.storage.find('o-2')).toBeUndefined();
  });

  it('an order that was deleted by hand is settled without an effect', async () => {
    await using trial = await Trial.start(server);
    await trial.storage.accept([transfer, newOrder('o-2')]);
    await trial.query(`DELETE FROM orders WHERE id = 'o-1'`);
    await trial.query('DELETE FROM pending WHERE seq NOT IN (SELECT seq FROM orders)');
    const results = await trial.storage.settle([
      { ...settlementOf(transfer), sequence: 1 },
      settlementOf(newOrder('o-2')),
    ]);
    expect(results).toEqual([
      { status: 'settled', balance: 100, balances: [0] },
      { status: 'settled', balance: 100 },
    ]);
  });
});
