import { OrderError, OrderProcessor, type OrderProcessorOptions, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { deferred, errorOf, logOf, watch } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 1 };
const declined = new OrderError('declined', 'Card declined');

/** Fails the order after so long. */
function failing(ms: number): Step {
  return {
    name: 'fails',
    async run() {
      await clock.sleep(ms);
      throw new OrderError('no_vendor', 'The kitchen is closed');
    },
  };
}

/** A payment, and the log of what its compensation was called with. */
function payment(run: Step['run'], more: Partial<Step> = {}) {
  const log: unknown[] = [];
  const pay: Step = {
    name: 'pay',
    run,
    compensate(_, { isFinished, result, idempotencyKey }) {
      log.push([clock.now, isFinished, result, idempotencyKey]);
    },
    ...more,
  };
  return { pay, log };
}

const hears: Step['run'] = (_, { signal }) => clock.sleep(100, signal);

/** Throws this at once, or rejects with it. */
function throwing(thrown: unknown): Step['run'] {
  return async () => {
    throw thrown;
  };
}

/** Ends with this when its signal aborts. */
function whenAborted(make: (reason: unknown) => unknown): Step['run'] {
  return (_, { signal }) =>
    clock.sleep(100, signal).catch(() => Promise.reject(make(signal.reason)));
}

type Options = Pick<OrderProcessorOptions, 'timeoutMs' | 'stalledAfterMs'>;
type Way = [how: string, run: Step['run'], steps?: Step[], more?: Partial<Step>, options?: Options];

const unknown: Way[] = [
  ['is aborted, since another step failed', hears, [failing(10)]],
  ['is aborted by the `timeoutMs` of its order', hears, [], {}, { timeoutMs: 10 }],
  ['is aborted by its own `timeoutMs`', hears, [], { timeoutMs: 10 }],
  ['throws by accident', throwing(new TypeError('undefined is not a function'))],
  ['throws nothing', throwing(undefined)],
  [
    'throws an error of a provider, which has a code',
    throwing(Object.assign(new Error('?'), { code: 'card_declined' })),
  ],
  ['repeats what another processor says', throwing(new OrderError('timeout', 'Late'))],
  [
    'throws an `AbortError`',
    whenAborted((cause) => Object.assign(new Error('Aborted'), { name: 'AbortError', cause })),
    [failing(10)],
  ],
  [
    'wraps the abort in an `OrderError`',
    whenAborted(
      (cause) => new OrderError('pay_failed', 'No', { cause: new Error('?', { cause }) }),
    ),
    [failing(10)],
  ],
  [
    'wraps the end of its own time in an error that is final',
    whenAborted((cause) => Object.assign(new Error('?', { cause }), { retryable: false })),
    [],
    { timeoutMs: 10 },
  ],
  [
    'fails for good where an earlier attempt was aborted',
    (_, { attempt, signal }) =>
      attempt === 1 ? clock.sleep(100, signal) : Promise.reject(declined),
    [],
    { timeoutMs: 10, retry: { attempts: 2, delayMs: 1 } },
  ],
  [
    'waits for its next attempt',
    throwing(new Error('No answer')),
    [failing(10)],
    { retry: { attempts: 2, delayMs: 1_000 } },
  ],
];

describe('a step with a compensation that may have had its effect', () => {
  it.each(unknown)(
    'invariant 3: is compensated if it %s',
    async (_how, run, steps = [], more, options) => {
      const { pay, log } = payment(run, more);
      const processor = new OrderProcessor({ steps: [pay, ...steps], ...options });
      const failed = errorOf(processor.submit(order));
      await clock.runAll();
      expect(log).toEqual([[expect.any(Number), false, undefined, 'a:pay']]);
      await failed;
      const record = await processor.order('a');
      expect(record?.steps[0]).toMatchObject({
        status: expect.stringMatching(/^(error|canceled)$/),
        compensation: { status: 'ok', attempts: 1 },
      });
      expect(await processor.balance('u')).toBeUndefined();
    },
  );

  it('invariant 3: is compensated if it is canceled', async () => {
    const { pay, log } = payment(hears);
    const processor = new OrderProcessor({ steps: [pay] });
    const failed = errorOf(processor.submit(order));
    await clock.advance(10);
    expect(await processor.cancel('a')).toBe(true);
    await clock.runAll();
    expect((await failed).code).toBe('canceled');
    expect(log).toEqual([[10, false, undefined, 'a:pay']]);
  });

  it('invariant 1: is compensated once it has really ended, before the next order begins', async () => {
    const { pay, log } = payment(async ({ id }, { signal }) => {
      if (id !== 'a') return;
      await clock.sleep(30);
      signal.throwIfAborted();
    });
    const processor = new OrderProcessor({ steps: [pay, { ...failing(10), after: [] }] });
    const events = logOf(processor);
    const failed = errorOf(processor.submit(order));
    void processor.enqueue({ ...order, id: 'b' });
    await clock.advance(30);
    expect(log).toEqual([[30, false, undefined, 'a:pay']]);
    await clock.runAll();
    await failed;
    expect(events.indexOf('failed:a:no_vendor')).toBeLessThan(events.indexOf('started:b'));
  });

  it('invariant 3: is compensated though it ends after its order was settled', async () => {
    const gate = deferred();
    const { pay, log } = payment(async (_, { signal }) => {
      await gate.promise;
      signal.throwIfAborted();
    });
    const processor = new OrderProcessor({ steps: [pay, failing(10)], stalledAfterMs: 20 });
    processor.on('stalled', () => {});
    const failed = errorOf(processor.submit(order));
    await clock.advance(40);
    expect((await failed).steps).toMatchObject([{ status: 'canceled' }, { status: 'error' }]);
    expect(log).toEqual([]);
    gate.resolve();
    await clock.runAll();
    expect(log).toEqual([[40, false, undefined, 'a:pay']]);
    const record = await processor.order('a');
    expect(record?.steps[0]).toMatchObject({ status: 'canceled', compensation: { status: 'ok' } });
  });

  it('invariant 3: is compensated in turn: the last to end first, what failed before what had finished', async () => {
    const log: string[] = [];
    const step = (name: string, run: Step['run']): Step => ({
      name,
      run,
      compensate: (_, { isFinished }) => void log.push(`${name} ${isFinished}`),
    });
    const slowly: Step['run'] = async (_, { signal }) => {
      await clock.sleep(20);
      signal.throwIfAborted();
    };
    const breaks: Step['run'] = () => clock.sleep(10).then(() => Promise.reject(new Error('?')));
    const steps = [
      step('slow', slowly),
      step('breaks', breaks),
      step('done', () => clock.sleep(5)),
    ];
    const processor = new OrderProcessor({ steps });
    const failed = errorOf(processor.submit(order));
    await clock.runAll();
    expect((await failed).code).toBe('internal');
    expect(log).toEqual(['slow false', 'breaks false', 'done true']);
  });

  it('invariant 4: keeps its caller waiting till it is compensated, as any other', async () => {
    const { pay } = payment(throwing(new Error('?')), { compensate: () => clock.sleep(50) });
    const processor = new OrderProcessor({ steps: [pay] });
    const failed = errorOf(processor.submit(order));
    const heard = watch(failed);
    await clock.advance(49);
    expect(heard.isSettled).toBe(false);
    await clock.advance(1);
    expect((await failed).steps).toMatchObject([
      { status: 'error', code: 'internal', compensation: { status: 'ok', durationMs: 50 } },
    ]);
  });

  it('invariant 8: keeps its status and code if its compensation fails, which is never hidden', async () => {
    const { pay } = payment(throwing(new Error('No answer')), {
      compensate: throwing(new OrderError('bank_closed', 'Not on a Sunday')) as () => unknown,
    });
    const processor = new OrderProcessor({ steps: [pay] });
    const events = logOf(processor);
    const failed = errorOf(processor.submit(order));
    await clock.runAll();
    const compensation = { status: 'error', code: 'bank_closed' };
    expect(await failed).toMatchObject({
      code: 'internal',
      retryable: false,
      steps: [{ status: 'error', code: 'internal', compensation }],
    });
    expect(events).toContain('error:a:compensation_failed');
  });
});

describe('a step that had no effect', () => {
  const known: Way[] = [
    ['throws an `OrderError`', throwing(declined)],
    [
      'throws an error that it marks as final',
      throwing(Object.assign(new Error('?'), { code: 'card_declined', retryable: false })),
    ],
    ['says so of each attempt', throwing(declined), [], { retry: { attempts: 3, delayMs: 1 } }],
    ['says so after it was aborted', whenAborted(() => declined), [failing(10)]],
    ['has not begun', hears, [failing(10)], { after: 'fails' }],
  ];

  it.each(known)('is not compensated if it %s', async (_how, run, steps = [], more, options) => {
    const { pay, log } = payment(run, more);
    const processor = new OrderProcessor({ steps: [pay, ...steps], ...options });
    const failed = errorOf(processor.submit(order));
    await clock.runAll();
    expect((await failed).steps[0]).not.toHaveProperty('compensation');
    expect(log).toEqual([]);
  });

  it('is not compensated if it waits for one of its places', async () => {
    const { pay, log } = payment(() => clock.sleep(50), { concurrency: 1 });
    const processor = new OrderProcessor({ steps: [pay] });
    const first = processor.submit(order);
    const failed = errorOf(processor.submit({ ...order, id: 'b', userId: 'v' }));
    await clock.advance(10);
    void processor.cancel('b');
    await clock.runAll();
    expect((await failed).steps).toMatchObject([{ status: 'skipped' }]);
    await first;
    expect(log).toEqual([]);
  });
});

it('invariant 3: is compensated though a listener of `stepped` cancels its order', async () => {
  const { pay, log } = payment(throwing(new TypeError('undefined is not a function')));
  const processor = new OrderProcessor({ steps: [pay] });
  processor.on('stepped', ({ orderId }) => void processor.cancel(orderId));
  const failed = errorOf(processor.submit(order));
  await clock.runAll();
  expect(await failed).toMatchObject({ code: 'canceled' });
  expect(log).toEqual([[0, false, undefined, 'a:pay']]);
  await processor.shutdown();
});
