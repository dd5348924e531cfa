/** Guarantees 3, 5, 8 and 9: what is settled of an order's postings, where a step has said so. */
import {
  type BalanceChange,
  type BalanceStorage,
  MemoryStorage,
  type Order,
  OrderProcessor,
  type Posting,
  type Step,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, errorOf } from '../../kit/helpers.ts';
import { open } from '../../kit/kept/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

/** A storage of balances that applies postings. */
class Balances implements BalanceStorage {
  readonly appliesPostings = true;
  readonly #inner = new MemoryStorage();
  readonly get = (userId: string) => this.#inner.get(userId);
  readonly apply = (changes: readonly BalanceChange[]) => this.#inner.apply(changes);
}

const storages: [string, () => BalanceStorage][] = [
  ['memory', () => new MemoryStorage()],
  ['a storage that keeps orders', () => new KeptStorage()],
  ['a storage of balances', () => new Balances()],
];

const sale: Order & { readonly postings: readonly Posting[] } = {
  id: 'sale',
  userId: 'buyer',
  amount: -1_000,
  postings: [
    { userId: 'seller', amount: 900 },
    { userId: 'fees', amount: 100 },
  ],
};

/** Settles this. */
function setting(amount: unknown, postings?: unknown, rest: Partial<Step> = {}): Step {
  const run: Step['run'] = (_, { setAmount }) =>
    setAmount(amount as number, { postings: postings as Posting[] });
  return { name: 'meter', run, ...rest };
}

/** An order that makes money, so its postings may be any part of what was ordered. */
const grant: Order = { ...sale, id: 'grant', amount: 50 };

describe.each(storages)('with %s', (_, create) => {
  const ended = async (step: Step, order: Order = sale): Promise<OrderProcessor> => {
    const processor = new OrderProcessor({ storage: create(), steps: [step] });
    const done = codeOf(processor.submit(order));
    await clock.runAll();
    await done;
    return processor;
  };

  it('invariant 3: applies what a step says, and shows what was ordered beside it', async () => {
    // In any order, and what is left out is nothing.
    const processor = await ended(setting(-640, [{ userId: 'seller', amount: 640 }]));
    const postings = [
      { userId: 'seller', amount: 640, orderedAmount: 900, balance: 640 },
      { userId: 'fees', amount: 0, orderedAmount: 100, balance: 0 },
    ];
    const both = { amount: -640, orderedAmount: -1_000, postings };
    expect(await processor.order('sale')).toMatchObject({ status: 'completed', ...both });
    expect((await processor.orders()).orders[0]).toMatchObject(both);
    expect(await processor.outcome('sale')).toMatchObject({ balance: -640, ...both });
    const balances = ['buyer', 'seller', 'fees'].map((userId) => processor.balance(userId));
    expect(await Promise.all(balances)).toEqual([-640, 640, 0]);
    const { movements } = await processor.movements('seller');
    expect(movements).toMatchObject([{ orderId: 'sale', amount: 640, balance: 640 }]);
  });

  it('invariant 5: the id stands for the postings that were ordered', async () => {
    const final = [
      { userId: 'fees', amount: 64 },
      { userId: 'seller', amount: 576 },
    ];
    const processor = await ended(setting(-640, final));
    const receipt = await processor.submit(sale);
    expect(receipt.postings.map(({ amount }) => amount)).toEqual([576, 64]);
    const settled = { ...sale, postings: [...final].reverse() };
    expect(await codeOf(processor.submit(settled))).toBe('order_conflict');
  });

  it('invariant 3: an order that is refused after that shows what was ordered', async () => {
    const storage = create();
    const full = { orderId: 'full', userId: 'fees', amount: Number.MAX_SAFE_INTEGER };
    await storage.apply([{ ...full, minBalance: undefined }]);
    const final = [{ userId: 'fees', amount: 64 }];
    const processor = new OrderProcessor({ storage, steps: [setting(-64, final)] });
    const code = codeOf(processor.submit(sale));
    await clock.runAll();
    expect(await code).toBe('balance_overflow');
    const { amount, postings } = (await processor.order('sale')) ?? {};
    expect([amount, postings?.map((posting) => posting.amount)]).toEqual([-1_000, [900, 100]]);
    expect(await processor.balance('buyer')).toBeUndefined();
  });

  it.each<[string, Step, string, Order?]>([
    ['none', setting(-640), 'Expected `postings` to be an array, as the order has some'],
    ['no options', { name: 'meter', run: (_, { setAmount }) => setAmount(0) }, 'an array'],
    ['no array', setting(0, { 0: 1 }), 'an array'],
    ['another user', setting(-5, [{ userId: 'v', amount: 5 }]), "a user of the order's postings"],
    [
      'the own user',
      setting(-5, [{ userId: 'buyer', amount: 5 }]),
      'Expected `postings[0].userId`',
    ],
    [
      'one twice',
      setting(-2, [sale.postings[1], sale.postings[1]]),
      'Expected `postings[1].userId`',
    ],
    ['no posting', setting(0, [null]), 'Expected `postings[0].userId`'],
    ['more', setting(-901, [{ userId: 'seller', amount: 901 }]), 'an integer from 0 to 900'],
    ['less than nothing', setting(0, [{ userId: 'seller', amount: -1 }]), 'an integer from 0 to'],
    [
      'a fraction',
      setting(-1, [{ userId: 'seller', amount: 0.5 }]),
      'Expected `postings[0].amount`',
    ],
    ['a text', setting(-1, [{ userId: 'seller', amount: '1' }]), 'Expected `postings[0].amount`'],
    ['a sum that makes money', setting(-640, [sale.postings[0]]), 'minus the sum of `postings`'],
    ['a sum that loses some', setting(-640, []), 'got -640 and 0'],
    [
      'any of an order without',
      setting(1, [sale.postings[0]]),
      'Expected `postings[0].userId`',
      {
        userId: 'u',
        amount: 1,
        id: 'sale',
      },
    ],
    [
      'an unknown option',
      { name: 'meter', run: (_, { setAmount }) => setAmount(0, { posting: [] } as object) },
      'Expected the options of setAmount to be among postings',
    ],
  ])(
    'invariant 3: throws for %s, and nothing is applied',
    async (_case, step, message, order = sale) => {
      const processor = new OrderProcessor({ storage: create(), steps: [step] });
      const error = errorOf(processor.submit(order));
      await clock.runAll();
      expect((await error).code).toBe('internal');
      expect(String((await error).cause)).toContain(message);
      for (const userId of ['buyer', 'seller', 'fees', 'u', 'v']) {
        expect(await processor.balance(userId)).toBeUndefined();
      }
    },
  );

  it('an order that brings money from outside may settle any part of it', async () => {
    const processor = await ended(setting(50, [{ userId: 'fees', amount: 1 }]), grant);
    expect(await processor.balance('fees')).toBe(1);
    expect(await processor.balance('buyer')).toBe(50);
  });
});

it('invariant 9: what a remembered step said of postings stands after a restart', async () => {
  const storage = new KeptStorage(undefined, 'json');
  const final = sale.postings.map((posting) => ({ ...posting, amount: posting.amount / 2 }));
  let runs = 0;
  const meter: Step = {
    name: 'meter',
    remember: true,
    run(_, { setAmount }) {
      runs += 1;
      setAmount(-500, { postings: final });
    },
  };
  const steps = (isKilled: boolean): Step[] => [
    meter,
    { name: 'pay', after: 'meter', run: () => (isKilled ? new Promise(() => {}) : undefined) },
  ];
  const killed = await open(storage, { steps: steps(true) });
  void killed.submit(sale).catch(() => {});
  await clock.advance(10);
  storage.cut();
  await clock.hold();
  const processor = await open(new KeptStorage(storage.disk), { steps: steps(false) });
  await clock.advance(10);
  const record = await processor.order('sale');
  expect(record).toMatchObject({ status: 'completed', amount: -500 });
  expect(record?.postings.map(({ amount, orderedAmount }) => [amount, orderedAmount])).toEqual([
    [450, 900],
    [50, 100],
  ]);
  expect(runs).toBe(1);
});
