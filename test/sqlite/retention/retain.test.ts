/** A file deletes by itself what is not to be kept (invariant 6), and what is left stays right (3, 9, 10). */
import { once } from 'node:events';
import { copyFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { OrderProcessor, type SettledOutcome } from 'order-processor';
import type { RetainOptions, SqliteStorage } from 'order-processor/sqlite';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Settlement } from '../../../src/core/storage/order-storage.ts';
import { isFull } from '../../kit/full.ts';
import { codeOf, range } from '../../kit/helpers.ts';
import { randomFrom } from '../../kit/random.ts';
import {
  ask,
  inProcess,
  newOrder,
  rejection,
  settlement,
  tamper,
  unsettledOf,
  useFolder,
} from '../helpers.ts';

const folder = useFolder();
const day = 86_400_000;
const start = 1_800_000_000_000;

beforeEach(() => {
  vi.useFakeTimers({ now: start, toFake: ['setTimeout', 'clearTimeout', 'Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Lets the file delete until nothing is left to delete. */
async function retain(storage: SqliteStorage): Promise<void> {
  const { path } = storage;
  let [before, after] = ['', stateOf(path)];
  while (before !== after) {
    before = after;
    vi.advanceTimersByTime(1_000);
    // In the transaction of the step, or behind it.
    await storage.amend('-', []);
    await new Promise(setImmediate);
    after = stateOf(path);
  }
}

function stateOf(path: string): string {
  return JSON.stringify(ask(path, 'SELECT pruned, (SELECT count(*) FROM orders) FROM meta'));
}

function usedBytesOf(path: string): number {
  const [pages, free] = ['page_count', 'freelist_count'].map((name) =>
    Number(Object.values(ask(path, `PRAGMA ${name}`)[0] ?? {})[0]),
  ) as [number, number];
  return (pages - free) * 4_096;
}

/** What a model of the file has settled, in the order applied. */
interface Applied {
  readonly order: Settlement;
  readonly balances: ReadonlyMap<string, number>;
}

const users = range(4).map((at) => `u-${at}`);

/** What is left is the end of what was applied; balances are as if nothing had been deleted. */
async function expectRight(storage: SqliteStorage, applied: readonly Applied[]): Promise<number> {
  const all = await storage.settled({ after: 0, limit: 10_000 });
  const { forgotten } = all;
  const left = applied.slice(forgotten);
  expect(all.orders.map(({ id }) => id)).toEqual(left.map(({ order }) => order.id));
  expect(all.last).toBe(applied.length);
  const sample = Math.ceil(left.length / 8);
  for (const userId of users) {
    const { movements } = await storage.movements({ userId, after: 0, limit: 10_000 });
    const expected = left.flatMap(({ order, balances }, at) => {
      const own = [order, ...order.postings].find((each) => each.userId === userId);
      if (own === undefined || order.outcome !== 'completed') return [];
      return [[forgotten + at + 1, own.amount, balances.get(userId)]];
    });
    expect(movements.map((each) => [each.sequence, each.amount, each.balance])).toEqual(expected);
    const last = applied.at(-1)?.balances.get(userId);
    expect(await storage.get(userId)).toBe(last);
    for (const { settledAt } of left
      .filter((_, at) => at % sample === 0)
      .map(({ order }) => order)) {
      const upTo = applied.findLast(({ order }) => order.settledAt <= settledAt);
      const { balance, isForgotten } = await storage.balanceAt(userId, settledAt);
      expect([balance, isForgotten]).toEqual([upTo?.balances.get(userId), false]);
    }
    const before = applied[forgotten - 1]?.order.settledAt;
    if (before === undefined) continue;
    const opening = await storage.balanceAt(userId, before);
    expect(opening.balance).toBe(applied[forgotten - 1]?.balances.get(userId));
    expect((await storage.balanceAt(userId, before - 1)).isForgotten).toBe(true);
  }
  return forgotten;
}

/** Settles transfers, delayed orders and failed ones at random, and adds them to the model. */
async function settleSome(
  storage: SqliteStorage,
  applied: Applied[],
  random: () => number,
  count: number,
): Promise<void> {
  const pick = (from: readonly string[]) => from[Math.floor(random() * from.length)] as string;
  const orders = range(count).map((at) => {
    const id = `o-${applied.length + at}`;
    const userId = pick(users);
    const postings =
      random() < 0.5 ? [{ userId: pick(users.filter((each) => each !== userId)), amount: 3 }] : [];
    const outcome = random() < 0.2 ? 'failed' : 'completed';
    vi.setSystemTime(Date.now() + Math.floor(random() * 500));
    const [acceptedAt, settledAt] = [Date.now(), Date.now()];
    return settlement(id, { userId, amount: -3, postings, outcome, acceptedAt, settledAt });
  });
  const accepted = orders.filter(() => random() < 0.3);
  await storage.accept(accepted.toReversed());
  const settled = orders.map((order) => ({ ...order, isAccepted: accepted.includes(order) }));
  // In calls of their own sizes: each transaction is a row of settlements.
  for (let at = 0; at < settled.length; ) {
    const size = 1 + Math.floor(random() * 9);
    await storage.settle(settled.slice(at, at + size));
    at += size;
  }
  for (const order of settled) {
    const balances = new Map(applied.at(-1)?.balances);
    if (order.outcome === 'completed') {
      for (const { userId, amount } of [order, ...order.postings]) {
        balances.set(userId, (balances.get(userId) ?? 0) + amount);
      }
    }
    applied.push({ order, balances });
  }
}

it.each(range(isFull ? 30 : 2))(
  'invariants 3 and 6: of any orders the older ones than `days` go, and statements, past balances and the feed stay right (seed %i)',
  async (seed) => {
    const random = randomFrom(seed);
    const storage = await folder.open({ durability: 'relaxed', retain: { days: 1 / 1_024 } });
    const waits = newOrder('waits', { userId: 'u-0', acceptedAt: 1 });
    await storage.accept([waits, newOrder('held', { userId: 'u-9', acceptedAt: 1 })]);
    await storage.hold({ userId: 'u-9', heldAt: 1, reason: undefined, orderId: 'held' });
    const applied: Applied[] = [];
    for (const round of range(4)) {
      await settleSome(storage, applied, random, 120);
      // Times of the settlements go on in another life of the file, too.
      if (round === 2) await storage.killThread();
      vi.setSystemTime(Date.now() + Math.floor(random() * 60_000));
      await retain(storage);
      const forgotten = await expectRight(storage, applied);
      const oldest = applied[forgotten]?.order.settledAt ?? Number.POSITIVE_INFINITY;
      expect(oldest).toBeGreaterThanOrEqual(Date.now() - day / 1_024 - 2_000);
      expect(applied[forgotten - 1]?.order.settledAt ?? 0).toBeLessThan(Date.now() - day / 1_024);
    }
    expect((await storage.settled({ after: 0, limit: 1 })).forgotten).toBeGreaterThan(50);
    expect(await unsettledOf(storage)).toEqual(['waits', 'held']);
    expect(await storage.holds({ limit: 9 })).toHaveLength(1);
    expect(await storage.check()).toEqual([]);
  },
);

it('invariant 6: the oldest settled orders go until no more than `bytes` are in use, and the file grows no more', async () => {
  const bytes = 2 ** 20;
  const storage = await folder.open({ durability: 'relaxed', retain: { bytes } });
  const payload = 'x'.repeat(2_000);
  await storage.accept(range(20).map((at) => newOrder(`waits-${at}`, { payload })));
  const sizes: number[] = [];
  for (const round of range(4)) {
    const ids = range(400).map((at) => `o-${round}-${at}`);
    await storage.settle(ids.map((id) => settlement(id, { userId: id, payload })));
    await retain(storage);
    expect(usedBytesOf(storage.path)).toBeLessThanOrEqual(bytes);
    expect(usedBytesOf(storage.path)).toBeGreaterThan(bytes * 0.9);
    sizes.push(Number(Object.values(ask(storage.path, 'PRAGMA page_count')[0] ?? {})[0]));
  }
  expect(sizes.at(-1)).toBeLessThanOrEqual((sizes[1] as number) * 1.1);
  const { orders } = await storage.settled({ after: 0, limit: 2_000 });
  expect(orders.map(({ settlement: number }) => number)).toEqual(
    range(orders.length).map((at) => 1_600 - orders.length + at + 1),
  );
  expect(await storage.check()).toEqual([]);
});

it('invariant 10: a file that is full by `maxBytes` has room again', async () => {
  const [bytes, maxBytes] = [2 ** 20, 2 ** 20 + 2 ** 18];
  const storage = await folder.open({ durability: 'relaxed', maxBytes, retain: { bytes } });
  let count = 0;
  const settle = () =>
    storage.settle(range(20).map(() => settlement(`o-${count++}`, { payload: 'x'.repeat(2_000) })));
  const fill = async (): Promise<string> => {
    for (;;) {
      const error = await settle().catch(({ message }: Error) => message);
      if (typeof error === 'string') return error;
    }
  };
  for (const _ of range(3)) {
    expect(await fill()).toContain('`maxBytes` is reached');
    await retain(storage);
    expect((await settle())[0]?.status).toBe('settled');
  }
  expect(await storage.check()).toEqual([]);
});

it('invariants 3 and 9: what is not settled, held lanes, delayed orders and balances stay, even where they alone exceed `bytes`', async () => {
  const storage = await folder.open({ durability: 'relaxed', retain: { bytes: 2 ** 20 } });
  const payload = 'x'.repeat(2_000);
  const ids = range(600).map((at) => `waits-${at}`);
  await storage.accept(ids.map((id) => newOrder(id, { payload })));
  const later = start + 10 * day;
  await storage.accept([newOrder('delayed', { userId: 'u-2', notBefore: later })]);
  await storage.settle(range(50).map((at) => settlement(`o-${at}`, { userId: 'u-3' })));
  await storage.hold({ userId: 'u-1', heldAt: 1, reason: 'a freeze' });
  await retain(storage);
  expect(usedBytesOf(storage.path)).toBeGreaterThan(2 ** 20);
  expect(await storage.settled({ after: 0, limit: 9 })).toMatchObject({
    orders: [],
    last: 50,
    forgotten: 50,
  });
  expect(await unsettledOf(storage)).toEqual([...ids, 'delayed']);
  expect(await storage.delayed(start)).toBe(1);
  expect(await storage.holds({ limit: 9 })).toHaveLength(1);
  expect(await storage.get('u-3')).toBe(50);
  await storage.settle(ids.map((id) => settlement(id, { isAccepted: true })));
  await retain(storage);
  expect(usedBytesOf(storage.path)).toBeLessThanOrEqual(2 ** 20);
  expect(await storage.get('u-1')).toBe(600);
  expect(await storage.check()).toEqual([]);
});

it('invariant 9: a process that was killed between two steps goes on where it was', async () => {
  const storage = await folder.open({ durability: 'relaxed', retain: { days: 1 } });
  const applied: Applied[] = [];
  const random = randomFrom(7);
  await settleSome(storage, applied, random, 300);
  await settleSome(storage, applied, random, 300);
  vi.setSystemTime(Date.now() + 2 * day);
  const forgotten: number[] = [];
  for (const at of range(3)) {
    vi.advanceTimersByTime(1_000);
    await storage.amend('-', []);
    await new Promise(setImmediate);
    for (const end of ['', '-wal'])
      copyFileSync(folder.path() + end, folder.path(`${at}.db${end}`));
    const copy = await folder.open({ durability: 'relaxed' }, `${at}.db`);
    forgotten.push(await expectRight(copy, applied));
    expect(await copy.check()).toEqual([]);
  }
  expect(forgotten).toEqual(forgotten.toSorted((one, other) => one - other));
  expect(forgotten[0]).toBeGreaterThan(0);
  expect(forgotten[0]).toBeLessThanOrEqual(500);
});

it.skipIf(!isFull)(
  'invariant 9: killed again and again while it settles and deletes, a file stays right',
  { timeout: 60_000 },
  async () => {
    vi.useRealTimers();
    const random = randomFrom(3);
    for (const life of range(4)) {
      const child = inProcess(
        folder.path(),
        `const storage = await SqliteStorage.open(path, { durability: 'relaxed', retain: { bytes: 2 ** 20 } });
         const payload = 'x'.repeat(500);
         for (let n = 0; ; n += 1) {
           await storage.apply(Array.from({ length: 9 }, (_, at) => ({
             orderId: '${life}-' + n + '-' + at, userId: 'u-' + (n + at) % 50, amount: -at, minBalance: undefined,
             postings: at === 0 ? [] : [{ userId: 'u-' + (n + 2 * at) % 50, amount: at }],
           })));
           if (n === 50) console.log('runs');
         }`,
      );
      await once(child.stdout as Readable, 'data');
      await new Promise((resolve) => setTimeout(resolve, 1_000 + random() * 1_000));
      child.kill('SIGKILL');
      await once(child, 'close');
      const storage = await folder.open();
      expect(await storage.check()).toEqual([]);
      const { last, forgotten, orders } = await storage.settled({ after: 0, limit: 9 });
      expect(forgotten).toBeGreaterThan(0);
      expect(orders[0]?.settlement).toBe(forgotten + 1);
      const times = await Promise.all(
        range(50).map((at) => storage.movements({ userId: `u-${at}`, after: 0, limit: last })),
      );
      for (const [at, { movements }] of times.entries()) {
        for (const [index, { balance, amount }] of movements.entries()) {
          const before = movements[index - 1]?.balance ?? balance - amount;
          expect(balance).toBe(before + amount);
        }
        expect(movements.at(-1)?.balance).toBe(await storage.get(`u-${at}`));
      }
      await storage.close();
    }
  },
);

it('invariant 5: an id that was deleted is a new order; one whose settlement may come again is not deleted', async () => {
  const storage = await folder.open({ retain: { days: 1 } });
  const old = (id: string) => settlement(id, { settledAt: start - 2 * day });
  await storage.settle([old('a')]);
  const settling = storage.settle([old('b')]);
  // It is on its way, and the step is right behind it: no answer can come in between.
  for (const _ of range(20)) await undefined;
  vi.advanceTimersByTime(1_000);
  await settling;
  await storage.amend('-', []);
  expect([await storage.find('a'), (await storage.find('b'))?.id]).toEqual([undefined, 'b']);
  await retain(storage);
  expect(await storage.find('b')).toBeUndefined();
  expect(await storage.settle([old('a')])).toEqual([{ status: 'settled', balance: 3 }]);
});

it('invariant 10: a consumer notices what was deleted before it came', async () => {
  const storage = await folder.open({ retain: { days: 1 } });
  await using processor = new OrderProcessor({ storage });
  const submit = () => processor.submit({ userId: 'u', amount: 1 });
  await submit();
  const first = (await processor.outcomes().next()).value as SettledOutcome;
  await submit();
  const { cursor } = await processor.movements('u', { limit: 1 });
  vi.setSystemTime(start + 2 * day);
  await retain(storage);
  await submit();
  const reading = processor.outcomes({ after: first.cursor }).next();
  expect(await codeOf(reading)).toBe('history_forgotten');
  expect(await codeOf(processor.movements('u', { cursor }))).toBe('history_forgotten');
  const next = (await processor.outcomes().next()).value as SettledOutcome;
  expect([next.sequence, next.order.balance]).toEqual([3, 3]);
  expect(await processor.balanceAt('u', start + day)).toBe(2);
});

it('what a shell made of an order stops nothing', async () => {
  const storage = await folder.open({ retain: { days: 1 } });
  const old = { settledAt: start - 2 * day };
  await storage.settle(range(5).map((at) => settlement(`o-${at}`, { ...old, userId: `u-${at}` })));
  tamper(
    storage.path,
    `DELETE FROM orders WHERE id = 'o-0'; UPDATE orders SET settled_at = 9223372036854775807 WHERE id = 'o-1';
     UPDATE orders SET amount = 9223372036854775807 WHERE id = 'o-2';
     UPDATE balances SET pruned = 9223372036854775807 WHERE user_id = 'u-2'`,
  );
  await retain(storage);
  expect(ask(storage.path, 'SELECT id FROM orders')).toEqual([{ id: 'o-1' }, { id: 'o-2' }]);
  expect(await storage.settle([settlement('new')])).toEqual([{ status: 'settled', balance: 2 }]);
});

it('invariant 4: deletes no more after `close`, and has no timer without `retain`', async () => {
  const storage = await folder.open({ retain: { days: 1 } });
  expect(vi.getTimerCount()).toBe(1);
  await storage.close();
  expect(vi.getTimerCount()).toBe(0);
  const again = await folder.open();
  await again.settle([settlement('a')]);
  expect(vi.getTimerCount()).toBe(0);
});

const days = 'Expected `retain.days` to be a number above 0, up to 36500, got';
it.each([
  [{}, 'Expected `retain` to be an object with `days`, `bytes` or both, got `{}`'],
  [30, 'Expected `retain` to be an object with `days`, `bytes` or both, got `30`'],
  [{ hours: 1 }, 'Expected the options of retain to be among days, bytes, got `hours`'],
  [{ days: 0 }, `${days} \`0\``],
  [{ days: Number.NaN }, `${days} \`NaN\``],
  [{ days: 36_501 }, `${days} \`36501\``],
  [{ days: '30' }, `${days} \`"30"\``],
  [{ bytes: 100 }, 'Expected `retain.bytes` to be an integer from 1048576 up, got `100`'],
  [
    { bytes: 2 ** 22 },
    'Expected `retain.bytes` to be less than `maxBytes` (4194304), got `4194304`',
  ],
])('checks its options: %j', async (options, message) => {
  const opening = folder.open({ maxBytes: 2 ** 22, retain: options as RetainOptions });
  expect((await rejection(opening)).message).toBe(message);
  expect(folder.files()).toEqual([]);
});
