/** Guarantees 1, 3, 5 and 10: what an order credits to other users is applied with its own amount, or not at all. */
import {
  type BalanceChange,
  type BalanceStorage,
  MemoryStorage,
  OrderProcessor,
  type OrderRecord,
  type Receipt,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, errorOf, range } from '../../kit/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';

/** A storage of balances that applies postings. */
class Bank implements BalanceStorage {
  readonly appliesPostings = true;
  readonly inner = new MemoryStorage();
  readonly changes: BalanceChange[] = [];

  get(userId: string): number | undefined {
    return this.inner.get(userId);
  }

  apply(changes: readonly BalanceChange[]) {
    this.changes.push(...changes);
    return this.inner.apply(changes);
  }
}

const storages: [string, () => BalanceStorage][] = [
  ['memory', () => new MemoryStorage()],
  ['a storage that keeps orders', () => new KeptStorage()],
  ['a storage of balances', () => new Bank()],
];

const split = {
  id: 'sale',
  userId: 'buyer',
  amount: -1_000,
  postings: [
    { userId: 'seller', amount: 900 },
    { userId: 'fees', amount: 100 },
  ],
};

describe.each(storages)('with %s', (_, create) => {
  it('invariant 3: postings are applied with the amount, and each shows the balance after it', async () => {
    await using processor = new OrderProcessor({ storage: create() });
    const events: unknown[] = [];
    processor.on('accepted', ({ postings }) => events.push(postings));
    processor.on('completed', ({ postings }) => events.push(postings));
    await processor.submit({ userId: 'fees', amount: 7 });
    const receipt = await processor.submit(split);
    const applied = [
      { userId: 'seller', amount: 900, orderedAmount: 900, balance: 900 },
      { userId: 'fees', amount: 100, orderedAmount: 100, balance: 107 },
    ];
    expect(receipt).toMatchObject({ amount: -1_000, balance: -1_000, postings: applied });
    expect(await processor.order('sale')).toMatchObject({ status: 'completed', postings: applied });
    expect((await processor.orders({ userId: 'buyer' })).orders[0]?.postings).toEqual(applied);
    expect(await processor.outcome('sale')).toEqual(receipt);
    expect(events.slice(2)).toEqual([
      split.postings.map((posting) => ({
        ...posting,
        orderedAmount: posting.amount,
        balance: undefined,
      })),
      applied,
    ]);
    const balances = ['buyer', 'seller', 'fees'].map((userId) => processor.balance(userId));
    expect(await Promise.all(balances)).toEqual([-1_000, 900, 107]);
  });

  it('invariant 5: postings are content: the same id with others is a conflict', async () => {
    await using processor = new OrderProcessor({ storage: create() });
    const first = await processor.submit(split);
    expect(await processor.submit({ ...split, postings: [...split.postings] })).toEqual(first);
    const [seller, fees] = split.postings as [object, object];
    const others = [
      undefined,
      [seller],
      [fees, seller],
      [seller, { userId: 'fees', amount: 99 }],
      [seller, { userId: 'tax', amount: 100 }],
    ];
    for (const postings of others) {
      expect(await codeOf(processor.submit({ ...split, postings } as never))).toBe(
        'order_conflict',
      );
    }
    expect(await processor.balance('seller')).toBe(900);
  });

  it('invariant 3: a credit that would overflow refuses the whole order', async () => {
    await using processor = new OrderProcessor({ storage: create() });
    await processor.submit({ userId: 'fees', amount: Number.MAX_SAFE_INTEGER });
    const error = await errorOf(processor.submit(split));
    expect(error).toMatchObject({ code: 'balance_overflow', outcome: 'failed' });
    expect(await processor.balance('buyer')).toBeUndefined();
    expect(await processor.balance('seller')).toBeUndefined();
    const unapplied = split.postings.map((posting) => ({
      ...posting,
      orderedAmount: posting.amount,
      balance: undefined,
    }));
    const record = (await processor.order('sale')) as OrderRecord;
    expect(record).toMatchObject({ status: 'failed', code: 'balance_overflow' });
    expect(record.postings).toEqual(unapplied);
  });

  it('invariant 3: the sum of all balances is that of the orders with outside money', async () => {
    await using processor = new OrderProcessor({ storage: create(), minBalance: 0 });
    const users = range(8).map((at) => `u-${at}`);
    await processor.submitMany(users.map((userId) => ({ userId, amount: 50 })));
    const orders = range(400).map((at) => {
      const amount = 1 + ((at * 31) % 40);
      const payee = users[(at * 5 + 3) % 8] as string;
      const userId = users[(at * 5 + 4 + (at % 4)) % 8] as string;
      return { userId, amount: -amount, postings: [{ userId: payee, amount }] };
    });
    const outcomes = await processor.submitMany(orders);
    const statuses = new Set(outcomes.map(({ status }) => status));
    expect([...statuses].sort()).toEqual(['completed', 'failed']);
    const balances = await Promise.all(users.map((userId) => processor.balance(userId)));
    expect(balances.reduce((sum: number, balance = 0) => sum + balance, 0)).toBe(400);
    expect(balances.every((balance = 0) => balance >= 0)).toBe(true);
  });
});

it('invariant 1: two opposite transfers wait for neither, and a step of the one sees that of the other', async () => {
  const both = Promise.withResolvers<void>();
  let begun = 0;
  await using processor = new OrderProcessor({
    steps: [
      {
        name: 'meet',
        run: (order) => {
          expect(order.postings).toHaveLength(1);
          begun += 1;
          if (begun === 2) both.resolve();
          return both.promise;
        },
      },
    ],
  });
  const [there, back] = await Promise.all([
    processor.submit({ userId: 'a', amount: -5, postings: [{ userId: 'b', amount: 5 }] }),
    processor.submit({ userId: 'b', amount: -5, postings: [{ userId: 'a', amount: 5 }] }),
  ] satisfies Promise<Receipt>[]);
  expect([there?.balance, back?.postings[0]?.balance]).toEqual([-5, 0]);
  expect([await processor.balance('a'), await processor.balance('b')]).toEqual([0, 0]);
});

it('invariant 3: a credit that would overflow compensates the steps', async () => {
  const log: string[] = [];
  await using processor = new OrderProcessor({
    steps: [
      {
        name: 'pay',
        run: () => void log.push('pay'),
        compensate: () => void log.push('refund'),
      },
    ],
  });
  const error = processor.submit({ userId: 'fees', amount: Number.MAX_SAFE_INTEGER });
  await error;
  expect(await codeOf(processor.submit(split))).toBe('balance_overflow');
  expect(log).toEqual(['pay', 'pay', 'refund']);
  expect(await processor.balance('buyer')).toBeUndefined();
});

it('invariant 9: an order that a restart takes up has its postings, and applies them once', async () => {
  const first = new KeptStorage();
  const before = new OrderProcessor({ storage: first });
  before.pause();
  await before.enqueue(split);
  const disk = first.disk;
  first.cut();
  await using after = new OrderProcessor({ storage: new KeptStorage(disk) });
  await after.onIdle();
  expect(await after.order('sale')).toMatchObject({
    status: 'completed',
    postings: [{ balance: 900 }, { balance: 100 }],
  });
  expect(await codeOf(after.submit(split))).toBe('completed');
  expect([disk.get('buyer'), disk.get('seller'), disk.get('fees')]).toEqual([-1_000, 900, 100]);
});

it('invariant 10: a storage that applies postings and gives no balances has not settled the order', async () => {
  let isHonest = false;
  const storage: BalanceStorage = {
    appliesPostings: true,
    get: () => undefined,
    apply: (changes) =>
      changes.map(({ amount, postings }) => {
        const balances = postings?.map((posting) => posting.amount);
        return isHonest ? { balance: amount, balances } : { balance: amount };
      }),
  };
  await using processor = new OrderProcessor({ storage });
  expect(await codeOf(processor.submit({ userId: 'u', amount: 1 }))).toBe('completed');
  expect(await codeOf(processor.submit(split))).toBe('storage_failed');
  isHonest = true;
  expect(await codeOf(processor.submit(split))).toBe('completed');
});

it('a storage of balances gets the postings with the change, and plain changes without any', async () => {
  const storage = new Bank();
  await using processor = new OrderProcessor({ storage });
  await processor.submit({ id: 'plain', userId: 'u', amount: 1 });
  await processor.submit(split);
  expect(storage.changes.map(({ postings }) => postings)).toEqual([undefined, split.postings]);
});
