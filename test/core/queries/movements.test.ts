/** Guarantees 3 and 6: a user's statement has each change of the balance once, in the order applied. */
import { type BalanceStorage, MemoryStorage, type Movement, OrderProcessor } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { SettledHistory } from '../../../src/core/storage/memory/settled-history.ts';
import { SettledOrders } from '../../../src/core/storage/memory/settled-orders.ts';
import { codeOf, range } from '../../kit/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';

const storages: [string, () => BalanceStorage][] = [
  ['memory', () => new MemoryStorage()],
  ['a storage that keeps orders', () => new KeptStorage()],
  ['a storage of balances', () => ownBalances()],
];

function ownBalances(): BalanceStorage {
  const inner = new MemoryStorage();
  return {
    appliesPostings: true,
    get: (userId) => inner.get(userId),
    apply: (changes) => inner.apply(changes),
  };
}

async function statement(
  processor: OrderProcessor,
  userId: string,
  limit = 2,
): Promise<Movement[]> {
  const movements: Movement[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await processor.movements(userId, { limit, cursor });
    movements.push(...page.movements);
    cursor = page.cursor;
    if (cursor === undefined) return movements;
  }
}

describe.each(storages)('with %s', (_, create) => {
  it('invariant 3: a statement has own orders and postings of others, each with the balance after it', async () => {
    await using processor = new OrderProcessor({ storage: create(), minBalance: -100 });
    await processor.submit({ id: 'a', userId: 'u', amount: 50 });
    await processor.submit({
      id: 'b',
      userId: 'v',
      amount: -8,
      postings: [{ userId: 'u', amount: 8 }],
    });
    expect(await codeOf(processor.submit({ id: 'c', userId: 'u', amount: -500 }))).toBe(
      'insufficient_funds',
    );
    await processor.submit({
      id: 'd',
      userId: 'u',
      amount: -20,
      postings: [{ userId: 'w', amount: 20 }],
    });
    const lines = async (userId: string) =>
      (await statement(processor, userId)).map(({ orderId, amount, balance }) => [
        orderId,
        amount,
        balance,
      ]);
    expect(await lines('u')).toEqual([
      ['a', 50, 50],
      ['b', 8, 58],
      ['d', -20, 38],
    ]);
    expect(await lines('v')).toEqual([['b', -8, -8]]);
    expect(await lines('w')).toEqual([['d', 20, 20]]);
    expect(await lines('x')).toEqual([]);
    const all = await statement(processor, 'u', 1);
    expect(all.map(({ sequence }) => sequence)).toEqual([1, 2, 4]);
    const { settledAt = 0 } = all.at(-1) ?? {};
    expect(await processor.balanceAt('u', settledAt)).toBe(38);
    expect(await processor.balanceAt('u', 0)).toBeUndefined();
    expect((await processor.movements('u', { to: 1 })).movements).toEqual([]);
    expect((await processor.movements('u', { from: settledAt + 1 })).movements).toEqual([]);
  });

  it('a cursor of another storage, and wrong options, are errors', async () => {
    await using processor = new OrderProcessor({ storage: create() });
    await using other = new OrderProcessor({ storage: create() });
    for (const each of [processor, other]) {
      await each.submitMany(range(3).map(() => ({ userId: 'u', amount: 1 })));
    }
    const { cursor } = await processor.movements('u', { limit: 1 });
    expect((await processor.movements('u', { cursor })).movements).toHaveLength(2);
    await expect(other.movements('u', { cursor })).rejects.toThrow(RangeError);
    const { cursor: ofList } = await processor.orders({ limit: 1 });
    const wrong: [object, typeof RangeError | typeof TypeError][] = [
      [{ cursor: ofList }, RangeError],
      [{ cursor: 'x' }, RangeError],
      [{ limit: 0 }, RangeError],
      [{ limit: 1_001 }, RangeError],
      [{ from: -1 }, RangeError],
      [{ to: '1' }, TypeError],
      [{ until: 1 }, TypeError],
    ];
    for (const [query, kind] of wrong)
      await expect(processor.movements('u', query)).rejects.toThrow(kind);
    await expect(processor.balanceAt('u', 0.5)).rejects.toThrow(RangeError);
    expect(await processor.movements(7 as never)).toEqual({ movements: [], cursor: undefined });
    expect(await processor.balanceAt(7 as never, 1)).toBeUndefined();
  });
});

describe('memory', () => {
  it('invariant 6: a statement begins behind what was forgotten, and its balances stay right', async () => {
    const storage = new MemoryStorage({ retainSettled: 100 });
    await using processor = new OrderProcessor({ storage });
    await processor.submitMany(range(250).map((at) => ({ userId: `u-${at % 3}`, amount: at })));
    const movements = await statement(processor, 'u-1', 7);
    expect(movements).toHaveLength(33);
    for (const [at, { balance, amount }] of movements.entries()) {
      const before = movements[at - 1];
      if (before !== undefined) expect(balance).toBe(before.balance + amount);
    }
    expect(movements.at(-1)?.balance).toBe(storage.get('u-1'));
    expect(storage.check()).toEqual([]);
    expect(await codeOf(processor.balanceAt('u-1', 1))).toBe('history_forgotten');
    await processor.submit({ userId: 'idle', amount: 1 });
    expect(await processor.balanceAt('u-1', Date.now() + 1_000)).toBe(storage.get('u-1'));
  });

  it('invariant 10: movements that were forgotten between two pages are an error, and no hole', async () => {
    const storage = new MemoryStorage({ retainSettled: 10 });
    await using processor = new OrderProcessor({ storage });
    const submit = (count: number) =>
      processor.submitMany(range(count).map(() => ({ userId: 'u', amount: 1 })));
    await submit(15);
    const { movements, cursor } = await processor.movements('u', { limit: 2 });
    expect(movements.map(({ balance }) => balance)).toEqual([6, 7]);
    await submit(2);
    const next = await processor.movements('u', { limit: 1, cursor });
    expect(next.movements.map(({ balance }) => balance)).toEqual([8]);
    await submit(1);
    expect(await codeOf(processor.movements('u', { cursor }))).toBe('history_forgotten');
    expect((await processor.movements('u', { limit: 1 })).movements[0]?.balance).toBe(9);
  });

  it('invariant 6: an order whose payload is too large to keep leaves no hole in a statement', async () => {
    const storage = new MemoryStorage({ retainBytes: 1_000 });
    await using processor = new OrderProcessor({ storage });
    const payloads = ['x', 'y'.repeat(5_000), undefined, 'z'];
    for (const payload of payloads) await processor.submit({ userId: 'u', amount: 1, payload });
    expect((await statement(processor, 'u')).map(({ balance }) => balance)).toEqual([3, 4]);
    expect(storage.check()).toEqual([]);
  });
});

it('`check` of memory names a balance that is not what the last movement left', () => {
  const orders = new SettledOrders(10, 1_000);
  const plain = {
    userId: 'u',
    priority: 'medium',
    payload: undefined,
    content: undefined,
  } as const;
  const times = { acceptedAt: 1, startedAt: 1, settledAt: 1 };
  const none = { labels: [], postings: [], steps: [], results: {}, orderedAmount: 5 };
  orders.remember({ id: 'a', amount: 5, ...plain, ...times, ...none }, 5, undefined, 1);
  expect(new SettledHistory(orders, () => 5).problems()).toEqual([]);
  expect(new SettledHistory(orders, () => 6).problems()).toEqual([
    'The balance of user "u" is 6, but the last movement left 5',
  ]);
  orders.remember({ id: 'b', amount: 5, ...plain, ...times, ...none }, 9, undefined, 2);
  expect(new SettledHistory(orders, () => 9).problems()).toEqual([
    'Settlement 2 left user "u" 9, but 5 and 5 make 10',
  ]);
});
