import fc from 'fast-check';
import { MemoryStorage, OrderError, OrderProcessor } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { noResults, type StepResult } from '../../../../src/core/order/step-result.ts';
import type { Remembered } from '../../../../src/core/storage/memory/settled-columns.ts';
import { SettledOrders } from '../../../../src/core/storage/memory/settled-orders.ts';
import { isFull } from '../../../kit/full.ts';
import { range } from '../../../kit/helpers.ts';

const plain = {
  userId: 'u',
  priority: 'medium',
  payload: undefined,
  content: undefined,
  labels: [],
  postings: [],
  steps: [],
  results: noResults,
  acceptedAt: 1,
  startedAt: 2,
  settledAt: 3,
} as const;

function remember(orders: SettledOrders, id: string, amount = 1, sequence = amount + 1): void {
  orders.remember({ ...plain, id, amount, orderedAmount: amount }, amount, undefined, sequence);
}

/** The amounts of all that are listed, in pages of `limit`. */
function listed(orders: SettledOrders, limit: number): number[] {
  const amounts: number[] = [];
  let before: number | undefined;
  do {
    const page = orders.list({ before, limit });
    amounts.push(...page.orders.map(({ amount }) => amount));
    before = page.next;
  } while (before !== undefined);
  return amounts;
}

const safeInteger = fc.maxSafeInteger().map((value) => value + 0);
const unixMs = fc.nat(Number.MAX_SAFE_INTEGER);

const fields = fc.record({
  id: fc.string({ minLength: 1 }),
  userId: fc.string({ minLength: 1 }),
  amount: safeInteger,
  priority: fc.constantFrom('high' as const, 'medium' as const, 'low' as const),
  payload: fc.option(fc.anything(), { nil: undefined }),
  content: fc.option(fc.anything(), { nil: undefined }),
  labels: fc.array(fc.string(), { maxLength: 2 }),
  postings: fc.constant([]),
  results: fc.oneof(fc.constant(noResults), fc.dictionary(fc.string(), fc.anything())),
  orderedAmount: safeInteger,
});

const steps: fc.Arbitrary<readonly StepResult[]> = fc.array(
  fc.record({
    name: fc.string(),
    status: fc.constantFrom('ok' as const, 'error' as const, 'canceled' as const),
    durationMs: fc.nat(),
    attempts: fc.nat(),
  }),
  { maxLength: 3 },
);

const ending = fc.record({
  status: fc.constantFrom('completed' as const, 'failed' as const, 'canceled' as const),
  balance: safeInteger,
  code: fc.stringMatching(/^[a-z][a-z0-9_]{0,20}$/),
  message: fc.string(),
  retryable: fc.boolean(),
  steps,
  times: fc.record({
    acceptedAt: unixMs,
    startedAt: fc.option(unixMs, { nil: undefined }),
    settledAt: unixMs,
  }),
});

describe('settled orders', () => {
  it('give back every field of a record', () => {
    const property = fc.property(fields, ending, (order, end) => {
      const { status, balance, code, message, retryable, steps } = end;
      const orders = new SettledOrders(10, Number.MAX_SAFE_INTEGER);
      remember(orders, `${order.id}-before`);
      const error =
        status === 'completed' ? undefined : new OrderError(code, message, { retryable });
      const settled = { ...order, ...end.times, steps };
      orders.remember(settled, error === undefined ? balance : undefined, error, 2, status);
      remember(orders, `${order.id}-after`);
      const isCompleted = status === 'completed';
      const found = orders.find(order.id);
      expect(found?.content).toBe(order.content);
      expect(found?.results).toBe(order.results);
      expect(found).toStrictEqual({
        ...order,
        amount: isCompleted ? order.amount : order.orderedAmount,
        ...end.times,
        ...{ attempt: 1, decided: undefined, remembered: [], sequence: 2, settlement: 2 },
        status,
        balance: isCompleted ? balance : undefined,
        code: isCompleted ? undefined : code,
        message: isCompleted ? undefined : message,
        retryable: isCompleted ? undefined : retryable,
        cause: undefined,
        steps,
      });
      expect(found?.payload).toBe(order.payload);
    });
    fc.assert(property, { numRuns: 500 });
  });

  it('invariant 6: are as many as the limit says, and the oldest is forgotten first', () => {
    const sizes = fc.record({ limit: fc.nat(40), count: fc.nat(150) });
    const property = fc.property(sizes, ({ limit, count }) => {
      const orders = new SettledOrders(limit, Number.MAX_SAFE_INTEGER);
      for (const at of range(count)) {
        remember(orders, `${at}`, at);
        const found = range(at + 2).filter((other) => orders.find(`${other}`) !== undefined);
        expect(found).toEqual(range(at + 1).slice(-limit || at + 1));
      }
    });
    fc.assert(property, { numRuns: 40 });
  });

  it.each([255, 256, 257, 1_000, 1_023, 1_024, 1_025, 2_049, 4_097])(
    'invariant 6: hold exactly %i, through the growth of their ring',
    (limit) => {
      const orders = new SettledOrders(limit, Number.MAX_SAFE_INTEGER);
      for (const at of range(3 * limit)) {
        remember(orders, `o-${at}`, at);
        const oldest = at - limit + 1;
        if (oldest > 0) expect(orders.find(`o-${oldest - 1}`)).toBeUndefined();
        expect(orders.find(`o-${Math.max(0, oldest)}`)?.amount).toBe(Math.max(0, oldest));
        expect(orders.find(`o-${at}`)?.amount).toBe(at);
      }
      const amounts = range(3 * limit).map((at) => orders.find(`o-${at}`)?.amount);
      const last = range(3 * limit).slice(2 * limit);
      expect(amounts.filter((amount) => amount !== undefined)).toEqual(last);
      expect(listed(orders, limit + 1)).toEqual(last.toReversed());
    },
  );

  it.each([1, 7, 1_000])(
    'invariant 6: are listed by their sequence, %i on a page, in whatever order they settle',
    (limit) => {
      // A page of one looks at as much as a larger one.
      const max = limit === 1 ? 300 : 3_000;
      const sizes = fc.record({ retained: fc.integer({ min: 1, max }), seed: fc.nat(99) });
      const property = fc.property(sizes, ({ retained, seed }) => {
        const orders = new SettledOrders(retained, Number.MAX_SAFE_INTEGER);
        // Near their place, or anywhere.
        const reach = seed % 3 === 0 ? 5_000 : 1 + (seed % 50);
        const sequences = range(4_000)
          .map((at) => ({ at, key: at + ((at * 7_919 * (seed + 1)) % reach) }))
          .toSorted((one, other) => one.key - other.key)
          .map(({ at }) => at);
        for (const at of sequences) {
          remember(orders, `o-${at}`, at);
          if (at % 1_500 === 0) listed(orders, limit);
        }
        const last = sequences.slice(-retained).toSorted((one, other) => other - one);
        expect(listed(orders, limit)).toEqual(last);
      });
      fc.assert(property, { numRuns: isFull ? 8 : 3 });
    },
  );

  it('have no limit that they could not have', () => {
    const orders = new SettledOrders(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    for (const at of range(5_000)) remember(orders, `o-${at}`, at);
    expect(range(5_000).map((at) => orders.find(`o-${at}`)?.amount)).toEqual(range(5_000));
  });

  it('are none with a limit of 0', () => {
    const orders = new SettledOrders(0, Number.MAX_SAFE_INTEGER);
    remember(orders, 'o-1');
    remember(orders, 'o-1');
    expect(orders.find('o-1')).toBeUndefined();
  });

  it('invariant 6: a payload is not kept for longer than its order', () => {
    const orders = new SettledOrders(1, Number.MAX_SAFE_INTEGER);
    const order: Remembered = {
      ...plain,
      id: 'a',
      amount: 1,
      orderedAmount: 1,
      priority: 'high',
      payload: { secret: 1 },
      content: { secret: 1 },
      labels: ['secret'],
    };
    orders.remember(order, 1, undefined, 1);
    remember(orders, 'b');
    expect(orders.find('b')).toMatchObject({
      id: 'b',
      payload: undefined,
      priority: 'medium',
      labels: [],
    });
    expect(orders.find('a')).toBeUndefined();
  });
});

describe('the retention of a MemoryStorage', () => {
  it('invariant 5: an order is the same as long as it is remembered, and a new one after', async () => {
    const storage = new MemoryStorage({ retainSettled: 2 });
    await using processor = new OrderProcessor({ storage });
    for (const id of ['o-1', 'o-2', 'o-1', 'o-2']) {
      await processor.submit({ id, userId: 'u', amount: 1 });
    }
    expect(storage.get('u')).toBe(2);
    await processor.submit({ id: 'o-3', userId: 'u', amount: 1 });
    expect(await processor.order('o-1')).toBeUndefined();
    expect((await processor.submit({ id: 'o-2', userId: 'u', amount: 1 })).balance).toBe(2);
    expect((await processor.submit({ id: 'o-1', userId: 'u', amount: 1 })).balance).toBe(4);
  });

  it('storage rule 2: an id that had failed is applied once and not again', async () => {
    const storage = new MemoryStorage();
    await using processor = new OrderProcessor({ storage, minBalance: 0 });
    await expect(processor.submit({ id: 'o-1', userId: 'u', amount: -5 })).rejects.toThrow();
    const change = { orderId: 'o-1', userId: 'u', amount: 5, minBalance: undefined };
    expect(storage.apply([change])).toEqual([{ balance: 5 }]);
    expect(storage.apply([change])).toEqual([{ balance: 5 }]);
    expect(storage.get('u')).toBe(5);
    expect(storage.find('o-1')).toMatchObject({ status: 'completed', balance: 5 });
  });
});

describe('what is remembered is bounded in bytes', () => {
  const fieldsOf = (id: string, payload: unknown): Remembered => ({
    ...plain,
    id,
    amount: 1,
    orderedAmount: 1,
    payload,
    content: payload,
  });
  const remembered = (orders: SettledOrders, ids: readonly string[]): string[] =>
    ids.filter((id) => orders.find(id) !== undefined);
  const put = (orders: SettledOrders, id: string, payload: unknown, sequence: number): void => {
    orders.remember(fieldsOf(id, payload), 1, undefined, sequence);
  };

  it('invariant 6: the oldest payloads are forgotten, and orders without any are not', () => {
    const orders = new SettledOrders(1_000, 10_000);
    const ids = range(100).map((at) => `o-${at}`);
    for (const [at, id] of ids.entries()) {
      put(orders, id, at % 2 === 0 ? 'x'.repeat(2_000) : undefined, at);
    }
    const large = remembered(
      orders,
      ids.filter((_, at) => at % 2 === 0),
    );
    expect(large).toEqual(['o-92', 'o-94', 'o-96', 'o-98']);
    expect(
      remembered(
        orders,
        ids.filter((_, at) => at % 2 === 1),
      ),
    ).toHaveLength(50);
  });

  it('invariant 6: one that takes more than all may is forgotten at once, and takes no other with it', () => {
    const orders = new SettledOrders(10, 1_000);
    put(orders, 'small', 'x', 1);
    put(orders, 'large', 'x'.repeat(1_000), 2);
    expect(remembered(orders, ['small', 'large'])).toEqual(['small']);
  });

  it('invariant 6: small text that makes large objects counts as large, and so do errors and long ids', () => {
    const many = (make: (at: number) => [Remembered, OrderError?]): number => {
      const orders = new SettledOrders(1_000, 100_000);
      const ids = range(500).map((at) => {
        const [of, error] = make(at);
        orders.remember(of, error === undefined ? 1 : undefined, error, at);
        return of.id;
      });
      return remembered(orders, ids).length;
    };
    const objects = JSON.parse(`[${'{},'.repeat(999)}{}]`);
    const withPayload =
      (payload: unknown) =>
      (at: number): [Remembered] => [fieldsOf(`${at}`, payload)];
    expect(many(withPayload(objects))).toBe(1);
    expect(many(withPayload(new Map([[1, 'x'.repeat(10_000)]])))).toBe(9);
    expect(many(withPayload(new Uint8Array(10_000)))).toBe(9);
    expect(many((at) => {
      const error = new OrderError('declined', 'x'.repeat(10_000));
      return [fieldsOf(`${at}`, undefined), error];
    })).toBe(9); // biome-ignore format: short
    expect(many((at) => [fieldsOf(`${at}`.padStart(256, 'x'), undefined)])).toBeLessThan(400);
  });

  it('invariant 6: through many rounds of the ring, as a model says', () => {
    const entry = fc.record({ size: fc.nat(400), isForgotten: fc.boolean() });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 80 }), (entries) => {
        const orders = new SettledOrders(8, 1_000);
        let model: { id: string; bytes: number }[] = [];
        for (const [at, { size, isForgotten }] of entries.entries()) {
          const id = `o-${at}`;
          put(orders, id, size < 50 ? undefined : 'x'.repeat(size), at);
          model.push({ id, bytes: size < 50 ? 0 : size + 24 });
          model = model.slice(-8);
          while (model.reduce((sum, { bytes }) => sum + bytes, 0) > 1_000) {
            model.splice(model.findIndex(({ bytes }) => bytes > 0), 1, { id: '', bytes: 0 }); // biome-ignore format: short
          }
          if (!isForgotten) continue;
          orders.forget(id);
          model.splice(-1, 1, { id: '', bytes: 0 });
        }
        const ids = entries.map((_, at) => `o-${at}`);
        expect(remembered(orders, ids)).toEqual(
          model.map(({ id }) => id).filter((id) => id !== ''),
        );
      }),
    );
  });

  it('invariants 5 and 6: a processor answers again what is remembered, and a forgotten id is a new order', async () => {
    await using processor = new OrderProcessor({
      storage: new MemoryStorage({ retainBytes: 20_000 }),
    });
    const orderOf = (id: string) => ({ id, userId: 'u', amount: 1, payload: id.padEnd(8_000) });
    for (const id of ['a', 'b', 'c']) await processor.submit(orderOf(id));
    expect(await processor.submit(orderOf('c'))).toMatchObject({
      balance: 3,
      payload: 'c'.padEnd(8_000),
    });
    expect(await processor.submit(orderOf('a'))).toMatchObject({ balance: 4 });
    expect(await processor.order('b')).toBe(undefined);
  });

  it('invariant 6: the payloads of 300 orders of 1 MiB are not all kept, nor beside a host’s storage', async () => {
    const payload = JSON.parse(`[${'{},'.repeat(349_524)}{}]`);
    const storage = {
      get: () => 0,
      apply: (changes: readonly unknown[]) => changes.map(() => ({ balance: 0 })),
    };
    for (const options of [{}, { storage }]) {
      await using processor = new OrderProcessor(options);
      for (const at of range(10)) {
        await processor.submit({ id: `o-${at}`, userId: 'u', amount: 1, payload });
      }
      const known = await Promise.all(range(10).map((at) => processor.order(`o-${at}`)));
      expect(known.filter((record) => record !== undefined).length).toBeLessThan(4);
    }
  });

  it.each([-1, 0.5, '1'])('`retainBytes` is no %j', (retainBytes) => {
    expect(() => new MemoryStorage({ retainBytes: retainBytes as number })).toThrow(/retainBytes/);
  });
});
