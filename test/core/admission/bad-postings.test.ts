/** Guarantees 3 and 8: an order with a posting that cannot be one is refused, and nothing of it is applied. */
import { type BalanceStorage, type Order, OrderProcessor } from 'order-processor';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codeOf, errorOf, range } from '../../kit/helpers.ts';

let processor: OrderProcessor;
beforeEach(() => {
  processor = new OrderProcessor();
});
afterEach(() => processor.shutdown());

const greatest = Number.MAX_SAFE_INTEGER;

describe.each<[what: string, postings: unknown, message: string]>([
  [
    'to oneself',
    [{ userId: 'u', amount: 1 }],
    "`postings[0].userId` to be another than its own user's",
  ],
  [
    'to nobody',
    [{ userId: '', amount: 1 }],
    '`postings[0].userId` to be a well-formed string of 1 to 256',
  ],
  [
    'without a user',
    [{ amount: 1 }],
    '`postings[0].userId` to be a well-formed string of 1 to 256',
  ],
  [
    'of 0',
    [{ userId: 'v', amount: 0 }],
    '`postings[0].amount` to be a safe integer in minor units from 1 up, got `0`',
  ],
  [
    'below 0',
    [{ userId: 'v', amount: -1 }],
    '`postings[0].amount` to be a safe integer in minor units from 1 up, got `-1`',
  ],
  ['of a fraction', [{ userId: 'v', amount: 0.5 }], '`postings[0].amount` to be a safe integer'],
  ['of a text', [{ userId: 'v', amount: '1' }], '`postings[0].amount` to be a safe integer'],
  [
    'beyond the safe integers',
    [{ userId: 'v', amount: 2 ** 53 }],
    '`postings[0].amount` to be a safe integer',
  ],
  [
    'beyond the safe integers together',
    [
      { userId: 'v', amount: greatest },
      { userId: 'w', amount: 1 },
    ],
    '`postings` to be a safe integer together, got `9007199254740992`',
  ],
  [
    'to one user twice',
    [
      { userId: 'v', amount: 1 },
      { userId: 'v', amount: 1 },
    ],
    "`postings[1].userId` to be another than an earlier posting's",
  ],
  ['that is null', [null], '`postings[0]` to be an object, got `null`'],
  ['in a hole', new Array(1), '`postings[0]` to be an object, got `undefined`'],
  ['that is no list', { userId: 'v', amount: 1 }, '`postings` to be an array of at most 100'],
  ['that is null itself', null, '`postings` to be an array of at most 100, got `null`'],
  [
    'beside 100 others',
    range(101).map((at) => ({ userId: `v-${at}`, amount: 1 })),
    '`postings` to be an array of at most 100',
  ],
])('a posting %s', (_, postings, message) => {
  it('invariant 3: refuses the order with `invalid_order`', async () => {
    const order = { id: 'o-1', userId: 'u', amount: 1, postings } as Order;
    const error = await errorOf(processor.submit(order));
    expect(error).toMatchObject({ code: 'invalid_order', outcome: 'refused', orderId: 'o-1' });
    expect(error.message).toContain(message);
    expect(await processor.balance('u')).toBeUndefined();
    expect(await processor.order('o-1')).toBeUndefined();
  });
});

it('invariant 8: postings that throw when they are read refuse the order', async () => {
  const traps = [
    Object.defineProperty({ userId: 'u', amount: 1 }, 'postings', {
      get() {
        throw new Error('trap');
      },
    }),
    {
      userId: 'u',
      amount: 1,
      postings: [
        {
          get userId() {
            throw new Error('trap');
          },
        },
      ],
    },
    {
      userId: 'u',
      amount: 1,
      postings: new Proxy([], { get: () => Reflect.apply(1 as never, 1, []) }),
    },
  ];
  for (const trap of traps) {
    expect(await codeOf(processor.submit(trap as unknown as Order))).toBe('invalid_order');
  }
  expect(await processor.balance('u')).toBeUndefined();
});

it('an empty list is no postings, and 100 are enough', async () => {
  const none = await processor.submit({ id: 'a', userId: 'u', amount: 1, postings: [] });
  expect(none.postings).toEqual([]);
  expect(await processor.submit({ id: 'a', userId: 'u', amount: 1 })).toEqual(none);
  const postings = range(100).map((at) => ({ userId: `v-${at}`, amount: 1 }));
  expect((await processor.submit({ userId: 'u', amount: -100, postings })).postings).toHaveLength(
    100,
  );
});

it('a storage that does not say that it applies postings gets none', async () => {
  const balances = new Map<string, number>();
  const storage: BalanceStorage = {
    get: (userId) => balances.get(userId),
    apply: (changes) => changes.map(() => ({ balance: 0 })),
  };
  await using host = new OrderProcessor({ storage });
  const order = { id: 'o-1', userId: 'u', amount: -1, postings: [{ userId: 'v', amount: 1 }] };
  const error = await errorOf(host.submit(order));
  expect(error).toMatchObject({ code: 'invalid_order', orderId: 'o-1', userId: 'u' });
  expect(error.message).toContain('`appliesPostings`');
});
