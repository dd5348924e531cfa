import { inspect } from 'node:util';
import {
  MemoryStorage,
  OrderError,
  OrderProcessor,
  type Receipt,
  type Step,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import { deferred, errorOf, logOf, range } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

function withCode(code: string, message = 'No'): Error {
  return new OrderError(code, message);
}

it('gives a receipt that looks like a literal', async () => {
  const processor = new OrderProcessor({ storage: new MemoryStorage() });
  const receipt = await processor.submit({ id: 'o-1', userId: 'u', amount: 5, payload: 'cart' });
  const literal = {
    status: 'completed',
    orderId: 'o-1',
    userId: 'u',
    amount: 5,
    orderedAmount: 5,
    balance: 5,
    acceptedAt: receipt.acceptedAt,
    waitMs: 0,
    durationMs: 0,
    steps: [],
    results: {},
    labels: [],
    postings: [],
    payload: 'cart',
  };
  expect(receipt).toStrictEqual(literal);
  expect(JSON.stringify(receipt)).toBe(JSON.stringify(literal));
  expect(inspect(receipt)).toBe(inspect(literal));
  expect(Object.getPrototypeOf(receipt)).toBe(Object.prototype);
  expect(receipt.constructor).toBe(Object);
});

describe('steps', () => {
  it('invariant 3: start together, and their results come in the order declared', async () => {
    const durations = { payment: 30, vendor: 10, courier: 20 };
    const log: string[] = [];
    const steps = Object.entries(durations).map(
      ([name, ms]): Step => ({
        name,
        async run() {
          log.push(`begin ${name}`);
          await clock.sleep(ms);
          log.push(`end ${name}`);
        },
      }),
    );
    const processor = new OrderProcessor({ steps });
    const submitted = processor.submit({ userId: 'u', amount: 5 });
    await clock.advance(0);
    expect(log).toEqual(['begin payment', 'begin vendor', 'begin courier']);
    await clock.advance(29);
    expect(processor.stats().completed).toBe(0);
    await clock.advance(1);
    expect(log.slice(3)).toEqual(['end vendor', 'end courier', 'end payment']);
    expect(await submitted).toMatchObject({
      balance: 5,
      durationMs: 30,
      steps: [
        { name: 'payment', status: 'ok', durationMs: 30, attempts: 1 },
        { name: 'vendor', status: 'ok', durationMs: 10, attempts: 1 },
        { name: 'courier', status: 'ok', durationMs: 20, attempts: 1 },
      ],
    });
  });

  it('invariant 3: the first failure aborts the others at once, and fails the order', async () => {
    let abortedAt: number | undefined;
    const gate = deferred();
    const steps: Step[] = [
      { name: 'quick', run: () => clock.sleep(5) },
      {
        name: 'slow',
        async run(_, { signal }) {
          signal.addEventListener('abort', () => {
            abortedAt = clock.now;
          });
          await gate.promise;
        },
      },
      {
        name: 'fails',
        async run() {
          await clock.sleep(20);
          throw withCode('declined', 'Card declined');
        },
      },
    ];
    const processor = new OrderProcessor({ steps });
    const failed = errorOf(processor.submit({ id: 'a', userId: 'u', amount: 5 }));
    await clock.advance(100);
    expect(abortedAt).toBe(20);
    const error = await failed;
    expect(error).toMatchObject({
      code: 'declined',
      message: 'Card declined',
      orderId: 'a',
      userId: 'u',
    });
    expect(error.steps).toEqual([
      { name: 'quick', status: 'ok', durationMs: 5, attempts: 1 },
      { name: 'slow', status: 'canceled', durationMs: 20, attempts: 1 },
      { name: 'fails', status: 'error', durationMs: 20, attempts: 1, code: 'declined' },
    ]);
    expect(await processor.balance('u')).toBeUndefined();
    // Settled only when all of them have ended: until then what `slow` comes to is not certain.
    expect(await processor.order('a')).toMatchObject({ status: 'processing', steps: [] });
    gate.resolve();
    await clock.settle();
    expect(await processor.order('a')).toMatchObject({
      status: 'failed',
      code: 'declined',
      retryable: true,
      steps: [{ status: 'ok' }, { status: 'canceled', durationMs: 100 }, { status: 'error' }],
    });
    expect(await processor.balance('u')).toBeUndefined();
  });

  it('invariant 3: one that fails before the next has begun skips it', async () => {
    const began: string[] = [];
    const steps: Step[] = [
      { name: 'first', run: () => began.push('first') },
      {
        name: 'fails',
        run() {
          throw withCode('sold_out');
        },
      },
      { name: 'last', run: () => began.push('last') },
    ];
    const processor = new OrderProcessor({ steps });
    const { steps: results } = await errorOf(processor.submit({ userId: 'u', amount: 1 }));
    expect(results.map(({ status, attempts }) => [status, attempts])).toEqual([
      ['ok', 1],
      ['error', 1],
      ['skipped', 0],
    ]);
    expect(began).toEqual(['first']);
  });

  it('invariant 3: a later failure changes nothing any more', async () => {
    const steps: Step[] = [10, 20].map((ms) => ({
      name: `after-${ms}`,
      async run() {
        await clock.sleep(ms);
        throw withCode(`failed_after_${ms}`);
      },
    }));
    const processor = new OrderProcessor({ steps });
    const log = logOf(processor);
    const failed = errorOf(processor.submit({ id: 'a', userId: 'u', amount: 1 }));
    await clock.runAll();
    expect((await failed).code).toBe('failed_after_10');
    expect(log.filter((line) => line.startsWith('failed'))).toEqual(['failed:a:failed_after_10']);
  });

  it('invariant 3: their time is limited by `timeoutMs`, of all together', async () => {
    const steps: Step[] = [
      { name: 'quick', run: () => clock.sleep(10) },
      { name: 'slow', run: (_, { signal }) => clock.sleep(1_000, signal) },
    ];
    const processor = new OrderProcessor({ steps, timeoutMs: 50 });
    const failed = errorOf(processor.submit({ userId: 'u', amount: 1 }));
    await clock.advance(49);
    expect(processor.stats().failed).toBe(0);
    await clock.advance(1);
    const { code, steps: results } = await failed;
    expect(code).toBe('timeout');
    expect(results.map(({ status, durationMs }) => [status, durationMs])).toEqual([
      ['ok', 10],
      ['canceled', 50],
    ]);
    expect(clock.timers).toBe(0);
  });

  it('invariant 8: get a frozen order and a context that cannot be changed', async () => {
    const seen: unknown[] = [];
    const payload = { note: 'mine' };
    const step: Step = {
      name: 'looks',
      run(order, context) {
        seen.push(Object.isFrozen(order), order.payload === payload);
        for (const name of ['signal', 'attempt', 'order', 'results', 'idempotencyKey'] as const) {
          seen.push(!Reflect.set(context, name, undefined) && context[name] !== undefined);
        }
        const none = { labels: [], postings: [] };
        const accepted = { id: 'a', userId: 'u', amount: 1, priority: 'high', payload, ...none };
        expect(order).toEqual(accepted);
        expect(context.order).toBe(order);
        expect(context.attempt).toBe(1);
      },
    };
    const processor = new OrderProcessor({ steps: [step] });
    await processor.submit({ id: 'a', userId: 'u', amount: 1, priority: 'high', payload });
    expect(seen).toEqual(range(7).map(() => true));
  });
});

describe('balances', () => {
  it('invariant 3: a debit below `minBalance` fails, and the next order still counts', async () => {
    const processor = new OrderProcessor({ minBalance: -10 });
    await processor.submit({ userId: 'u', amount: 5 });
    const failed = await errorOf(processor.submit({ id: 'a', userId: 'u', amount: -16 }));
    expect(failed).toMatchObject({ code: 'insufficient_funds', orderId: 'a', userId: 'u' });
    expect((await processor.submit({ userId: 'u', amount: -15 })).balance).toBe(-10);
    expect((await errorOf(processor.submit({ userId: 'u', amount: -1 }))).code).toBe(
      'insufficient_funds',
    );
    expect(await processor.balance('u')).toBe(-10);
  });

  it('invariant 3: a credit on a balance already below `minBalance` passes', async () => {
    const storage = new MemoryStorage();
    storage.apply([{ orderId: 'opening', userId: 'u', amount: -50, minBalance: undefined }]);
    const processor = new OrderProcessor({ storage, minBalance: 0 });
    expect((await processor.submit({ userId: 'u', amount: 20 })).balance).toBe(-30);
    expect((await processor.submit({ userId: 'u', amount: 0 })).balance).toBe(-30);
    expect((await errorOf(processor.submit({ userId: 'u', amount: -1 }))).code).toBe(
      'insufficient_funds',
    );
  });

  it('invariant 3: a sum beyond the safe integers fails with `balance_overflow`, both ways', async () => {
    const processor = new OrderProcessor();
    for (const sign of [1, -1]) {
      const userId = `u${sign}`;
      await processor.submit({ userId, amount: sign * Number.MAX_SAFE_INTEGER });
      const failed = await errorOf(processor.submit({ userId, amount: sign }));
      expect(failed.code).toBe('balance_overflow');
      expect(await processor.balance(userId)).toBe(sign * Number.MAX_SAFE_INTEGER);
    }
  });

  it('invariant 3: only completed orders change them', async () => {
    const step: Step = {
      name: 'odd',
      run(order) {
        if (order.amount % 2 === 1) throw withCode('odd');
      },
    };
    const processor = new OrderProcessor({ steps: [step], minBalance: 0 });
    const outcomes = await processor.submitMany(
      range(100).map((index) => ({ userId: 'u', amount: index % 3 === 0 ? -2 * index : index })),
    );
    const completed = outcomes.filter(
      (outcome): outcome is Receipt => outcome.status === 'completed',
    );
    expect(completed.length).toBeGreaterThan(0);
    expect(completed.length).toBeLessThan(100);
    const sum = completed.reduce((total, { amount }) => total + amount, 0);
    expect(await processor.balance('u')).toBe(sum);
    const codes = outcomes.flatMap((outcome) =>
      outcome.status === 'completed' ? [] : [outcome.error.code],
    );
    expect(new Set(codes)).toEqual(new Set(['odd', 'insufficient_funds']));
  });
});

it('invariant 3: a receipt says all of an order', async () => {
  const processor = new OrderProcessor({ steps: [{ name: 'work', run: () => clock.sleep(10) }] });
  const acceptedAt = Date.now();
  const submitted = range(2).map((index) =>
    processor.submit({ id: `o-${index}`, userId: 'u', amount: 7, payload: 'p' }),
  );
  await clock.runAll();
  const step = { name: 'work', status: 'ok', durationMs: 10, attempts: 1 };
  const shared = {
    status: 'completed',
    userId: 'u',
    amount: 7,
    orderedAmount: 7,
    acceptedAt,
    durationMs: 10,
    steps: [step],
    results: {},
    labels: [],
    postings: [],
    payload: 'p',
  };
  expect(await Promise.all(submitted)).toEqual([
    { ...shared, orderId: 'o-0', balance: 7, waitMs: 0 },
    { ...shared, orderId: 'o-1', balance: 14, waitMs: 10 },
  ]);
});
