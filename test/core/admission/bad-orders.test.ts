import { type Order, OrderError, type OrderOutcome, OrderProcessor } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { errorOf, range } from '../../kit/helpers.ts';

async function collect(outcomes: AsyncIterable<OrderOutcome>): Promise<OrderOutcome[]> {
  const all: OrderOutcome[] = [];
  for await (const outcome of outcomes) all.push(outcome);
  return all;
}

/** Every way of handing in an order: resolves when it is settled, rejects when it is refused. */
const ways = {
  submit: async (processor, order) => {
    await processor.submit(order);
  },
  'submit with options': async (processor, order) => {
    await processor.submit(order, { signal: new AbortController().signal });
  },
  enqueue: async (processor, order) => {
    await processor.enqueue(order);
    await processor.onIdle();
  },
  submitMany: async (processor, order) => {
    expectCompleted(await processor.submitMany([order]));
  },
  submitStream: async (processor, order) => {
    expectCompleted(await collect(processor.submitStream([order])));
  },
} satisfies Record<string, (processor: OrderProcessor, order: Order) => Promise<void>>;

type Way = keyof typeof ways;
const eachWay = Object.keys(ways) as Way[];

function expectCompleted(outcomes: readonly OrderOutcome[]): void {
  expect(outcomes).toHaveLength(1);
  const [outcome] = outcomes;
  if (outcome?.status !== 'completed') throw outcome?.error;
}

/** The order is refused with `invalid_order`, its caller and all listeners are notified, and nothing else happens. */
async function expectRefused(way: Way, order: unknown, message: RegExp): Promise<OrderError> {
  await using processor = new OrderProcessor();
  const heard: OrderError[] = [];
  processor.on('refused', (error) => heard.push(error));
  await ways[way](processor, { userId: 'u', amount: 5 });
  const error = await errorOf(ways[way](processor, order as Order));
  expect(error.code).toBe('invalid_order');
  expect(error.message).toMatch(message);
  expect(error.message.length).toBeLessThan(200);
  expect(heard).toEqual([error]);
  expect(heard[0]).toBe(error);
  const counts = { accepted: 1, completed: 1, refused: 1, failed: 0, unsettled: 0 };
  expect(processor.stats()).toMatchObject(counts);
  await ways[way](processor, { userId: 'u', amount: 2 });
  expect(await processor.balance('u')).toBe(7);
  expect(processor.stats()).toMatchObject({ ...counts, accepted: 2, completed: 2 });
  return error;
}

const name = 'a well-formed string of 1 to 256 characters';
const long = 'x'.repeat(257);

const noObjects = [undefined, null, 5, 'order', true, 1n, Symbol('order'), () => ({})];
const noNames = [
  null,
  '',
  5,
  {},
  long,
  '\uD800',
  'a\uDC00b',
  '\uDE00\uD83D',
  ['u'],
  new String('u'),
];
const noNumbers: unknown[] = [undefined, null, '5', 5n, {}, [5], true, { valueOf: () => 5 }];
const noIntegers = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0.5];
const noAmounts = [...noNumbers, ...noIntegers, 2 ** 53, -(2 ** 53)];
const noPriorities = [null, '', 'urgent', 'High', 0, 1, ['high'], '__proto__', new String('high')];

describe.each(eachWay)('invariant 8: %s refuses', (way) => {
  it('what is no object', async () => {
    for (const order of noObjects) {
      await expectRefused(way, order, /^Expected `order` to be an object, got `/);
    }
  });

  it('what has none of the fields', async () => {
    for (const order of [{}, [], new Date(), Promise.resolve({ userId: 'u', amount: 1 })]) {
      await expectRefused(way, order, /^Expected `userId` to be .*, got `undefined`$/);
    }
  });

  it('a bad userId, and says whose order it is', async () => {
    for (const userId of [undefined, ...noNames]) {
      const message = new RegExp(`^Expected \`userId\` to be ${name}, got \``);
      const error = await expectRefused(way, { id: 'o-1', userId, amount: 1 }, message);
      expect([error.orderId, error.userId]).toEqual(['o-1', undefined]);
    }
  });

  it('a bad id, and says whose order it is', async () => {
    for (const id of noNames) {
      const message = new RegExp(`^Expected \`id\` to be ${name}, got \``);
      const error = await expectRefused(way, { id, userId: 'u', amount: 1 }, message);
      expect([error.orderId, error.userId]).toEqual([undefined, 'u']);
    }
  });

  it('a bad amount, and says which order it is', async () => {
    for (const amount of noAmounts) {
      const message = /^Expected `amount` to be a safe integer in minor units, got `/;
      const error = await expectRefused(way, { id: 'o-1', userId: 'u', amount }, message);
      expect([error.orderId, error.userId]).toEqual(['o-1', 'u']);
    }
  });

  it('a bad priority', async () => {
    for (const priority of noPriorities) {
      const message = /^Expected `priority` to be 'high', 'medium' or 'low', got `/;
      await expectRefused(way, { userId: 'u', amount: 1, priority }, message);
    }
  });

  it.each(['id', 'userId', 'amount', 'priority', 'payload', 'postings'])(
    'a getter of `%s` that throws, whatever it throws',
    async (field) => {
      for (const thrown of [new Error('no'), null, 5, new OrderError('queue_full', 'A lie')]) {
        const order = Object.defineProperty({ userId: 'u', amount: 1 }, field, {
          get: () => {
            throw thrown;
          },
        });
        const error = await expectRefused(way, order, /^Reading the order threw$/);
        expect(error.cause).toBe(thrown);
      }
    },
  );

  it('a Proxy that throws and one that is revoked', async () => {
    const order = { userId: 'u', amount: 1 };
    const get = (): never => {
      throw new Error('no');
    };
    const { proxy, revoke } = Proxy.revocable(order, {});
    revoke();
    for (const bad of [new Proxy(order, { get }), proxy]) {
      await expectRefused(way, bad, /^Reading the order threw$/);
    }
  });
});

describe.each(eachWay)('%s takes', (way) => {
  it.each<[string, Order]>([
    ['a frozen order', Object.freeze({ userId: 'u', amount: 5 })],
    ['an order with accessors', Object.create({ userId: 'u', get amount() { return 5; } })], // biome-ignore format: short
    ['an order without a prototype', { __proto__: null, userId: 'u', amount: 5 } as Order],
    ['an honest Proxy', new Proxy({ userId: 'u', amount: 5 }, {})],
    ['undefined fields', { id: undefined, userId: 'u', amount: 5, priority: undefined }],
    ['an id of 256 characters', { id: '😀'.repeat(128), userId: 'u', amount: 5 }],
  ])('%s', async (_, order) => {
    await using processor = new OrderProcessor();
    await ways[way](processor, order);
    expect(await processor.balance('u')).toBe(5);
  });

  it('the names of what every object has as user ids, each with its own exact balance', async () => {
    await using processor = new OrderProcessor();
    const userIds = [
      '__proto__',
      'constructor',
      'hasOwnProperty',
      'toString',
      'then',
      'x'.repeat(256),
    ];
    for (const userId of userIds) expect(await processor.balance(userId)).toBeUndefined();
    for (const [at, userId] of userIds.entries()) {
      for (const _ of range(3)) await ways[way](processor, { userId, amount: 10 ** at });
      await ways[way](processor, { id: userId, userId, amount: -1 });
      expect((await processor.order(userId))?.balance).toBe(3 * 10 ** at - 1);
    }
    const balances = await Promise.all(userIds.map((userId) => processor.balance(userId)));
    expect(balances).toEqual(userIds.map((_, at) => 3 * 10 ** at - 1));
  });

  it('-0 as 0', async () => {
    await using processor = new OrderProcessor();
    await ways[way](processor, { id: 'o-1', userId: 'u', amount: -0 });
    const record = await processor.order('o-1');
    expect([record?.amount, record?.balance]).toEqual([0, 0]);
    expect(await processor.balance('u')).toBe(0);
  });

  it('each field at one reading, so that what was checked is what is processed', async () => {
    await using processor = new OrderProcessor();
    const reads: string[] = [];
    const order = new Proxy({ userId: 'u', amount: 5 } as Order, {
      get: (target, key) => {
        if (reads.includes(String(key))) return key === 'amount' ? Number.NaN : 'another';
        reads.push(String(key));
        return Reflect.get(target, key);
      },
    });
    await ways[way](processor, order);
    expect(reads.toSorted()).toEqual([
      'amount',
      'expiresAt',
      'id',
      'notBefore',
      'payload',
      'postings',
      'priority',
      'traceContext',
      'userId',
    ]);
    expect(await processor.balance('u')).toBe(5);
  });

  it('invariant 3: no sum that would leave the safe integers: `balance_overflow`', async () => {
    await using processor = new OrderProcessor();
    for (const sign of [1, -1]) {
      const userId = `u${sign}`;
      await ways[way](processor, { userId, amount: sign * Number.MAX_SAFE_INTEGER });
      const order = { id: `o${sign}`, userId, amount: sign };
      await ways[way](processor, order).catch((error) => {
        expect(error.code).toBe('balance_overflow');
      });
      expect(await processor.order(order.id)).toMatchObject({
        status: 'failed',
        code: 'balance_overflow',
        balance: undefined,
      });
      expect(await processor.balance(userId)).toBe(sign * Number.MAX_SAFE_INTEGER);
      await ways[way](processor, { userId, amount: -sign });
      expect(await processor.balance(userId)).toBe(sign * (Number.MAX_SAFE_INTEGER - 1));
    }
    expect(processor.stats()).toMatchObject({ completed: 4, failed: 2, refused: 0 });
  });

  it.each(['that waits', 'on its way'])('a copy of an order %s', async (where) => {
    await using processor = new OrderProcessor();
    if (where === 'that waits') processor.pause();
    const order = { id: 'o-1', userId: 'u', amount: 5, priority: 'high' as const };
    const settled = ways[way](processor, order);
    // `submitStream` reads its source in a later microtask.
    while (processor.stats().accepted === 0) await Promise.resolve();
    Object.assign(order, { id: 'o-2', userId: 'thief', amount: 1_000, priority: 'none' });
    processor.resume();
    await settled;
    expect(await processor.order('o-1')).toMatchObject({
      userId: 'u',
      amount: 5,
      priority: 'high',
    });
    expect(await processor.order('o-2')).toBeUndefined();
    expect(await processor.balance('u')).toBe(5);
    expect(await processor.balance('thief')).toBeUndefined();
  });
});

describe('a list of orders', () => {
  const mixed = [
    { userId: 'u', amount: 1 },
    { userId: 'u', amount: 0.5 },
    null,
    { userId: 'u', amount: 2 },
  ];

  /** The same object again and again, with another content each time. */
  function* reused(): Generator<Order> {
    const order = { userId: 'u', amount: 0 };
    for (let amount = 1; amount <= 5; amount += 1) yield Object.assign(order, { amount });
  }

  it.each(['submitMany', 'submitStream'] as const)('%s: each stands for itself', async (way) => {
    await using processor = new OrderProcessor();
    const run = (orders: Iterable<Order>): Promise<OrderOutcome[]> =>
      way === 'submitMany' ? processor.submitMany(orders) : collect(processor.submitStream(orders));
    const outcomes = await run(mixed as Order[]);
    const statuses = outcomes.map((outcome) => outcome.status);
    expect(statuses).toEqual(['completed', 'refused', 'refused', 'completed']);
    expect(processor.stats()).toMatchObject({ accepted: 2, completed: 2, refused: 2 });
    processor.pause();
    const later = run(reused());
    while (processor.stats().accepted < 7) await new Promise(setImmediate);
    processor.resume();
    expect((await later).map((outcome) => 'amount' in outcome && outcome.amount)).toEqual([
      1, 2, 3, 4, 5,
    ]);
    expect(await processor.balance('u')).toBe(18);
  });

  it.each([undefined, null, 5, 'orders', {}])('%o is none', async (orders) => {
    await using processor = new OrderProcessor();
    const error = await errorOf(processor.submitMany(orders as never));
    expect(error.code).toBe('invalid_order');
    expect(processor.stats().refused).toBe(1);
    expect(() => processor.submitStream(orders as never)).toThrow(OrderError);
  });

  it('invariant 8: that throws makes submitMany reject with an OrderError', async () => {
    await using processor = new OrderProcessor();
    const thrown = new Error('The source broke');
    function* broken(): Generator<Order> {
      yield { userId: 'u', amount: 1 };
      throw thrown;
    }
    const error = await errorOf(processor.submitMany(broken()));
    expect(error.cause).toBe(thrown);
    expect(await processor.balance('u')).toBe(1);
  });
});

it('invariant 4: an order that shuts the processor down while it is read is refused', async () => {
  const processor = new OrderProcessor({ steps: [{ name: 'payment', run: () => {} }] });
  const order: Order = {
    userId: 'u',
    get amount() {
      processor.shutdown();
      return 1;
    },
  };
  expect((await errorOf(processor.submit(order))).code).toBe('shut_down');
  expect(await processor.balance('u')).toBeUndefined();
});

it('shows a bad value as what it is, on one line', async () => {
  const processor = new OrderProcessor();
  const messageOf = (order: unknown) =>
    processor.submit(order as never).catch(({ message }) => /got `(.*)`$/.exec(message)?.[1]);
  const amounts = [100n, [100], [], Object(1), { toString: () => 'a\nb' }, () => 1, { a: 'b\nc' }];
  expect(await Promise.all(amounts.map((amount) => messageOf({ userId: 'u', amount })))).toEqual([
    '100n',
    '[ 100 ]',
    '[]',
    '[Number: 1]',
    '{ toString: [Function: toString] }',
    '[Function (anonymous)]',
    "{ a: 'b\\nc' }",
  ]);
  expect(await messageOf({ userId: ['u-1'], amount: 1 })).toBe("[ 'u-1' ]");
});
