import { OrderError, OrderProcessor, type RetryOptions, type Step } from 'order-processor';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { codeOf, errorOf, logOf } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 1 };
const fixed = { delayMs: 100, jitter: false } as const;

/** Fails so often for the order `a`, at once, and logs when each attempt begins. */
function flaky(failures: number, retry?: RetryOptions, thrown: unknown = new Error('Flaky')) {
  const log: string[] = [];
  const step: Step = {
    name: 'flaky',
    retry,
    run({ id }, { attempt }) {
      log.push(`${clock.now} ${id} ${attempt}`);
      if (id === 'a' && attempt <= failures) throw thrown;
    },
  };
  return { step, log };
}

/** What the order `a` comes to with one such step. */
async function outcomeOf(failures: number, retry?: RetryOptions, thrown?: unknown) {
  const { step, log } = flaky(failures, retry, thrown);
  const processor = new OrderProcessor({ steps: [step], stalledAfterMs: 1_000_000 });
  const errors: unknown[] = [];
  processor.on('error', ({ code, cause }) => errors.push([code, cause]));
  const code = codeOf(processor.submit(order));
  await clock.runAll();
  const steps = (await processor.order('a'))?.steps;
  return { code: await code, log, errors, step: steps?.[0] };
}

describe('attempts', () => {
  it('invariant 3: go on until one succeeds, and count as one step', async () => {
    const { code, log, step } = await outcomeOf(2, { ...fixed, attempts: 5 });
    expect(code).toBe('completed');
    expect(log).toEqual(['0 a 1', '100 a 2', '300 a 3']);
    expect(step).toEqual({ name: 'flaky', status: 'ok', durationMs: 300, attempts: 3 });
  });

  it('invariant 3: are as many as `attempts`, and then the order fails as the last one did', async () => {
    const thrown = new OrderError('vendor_unavailable', 'Closed');
    const { code, log, step } = await outcomeOf(9, { ...fixed, attempts: 2 }, thrown);
    expect(code).toBe('vendor_unavailable');
    expect(log).toEqual(['0 a 1', '100 a 2']);
    expect(step).toMatchObject({ status: 'error', code, durationMs: 100, attempts: 2 });
  });

  it('are three by default where `retry` is given, else one', async () => {
    expect((await outcomeOf(9, {})).log).toHaveLength(3);
    expect((await outcomeOf(9)).log).toHaveLength(1);
  });

  it("are the processor's by default, and the step's own if it has some", async () => {
    const log: string[] = [];
    const step = (name: string, more: Partial<Step> = {}): Step => ({
      name,
      run: (_, { attempt }) => {
        log.push(`${name} ${attempt}`);
        if (attempt < 3) throw new Error('Flaky');
      },
      ...more,
    });
    const more: Partial<Step> = { after: 'common', retry: { attempts: 1 } };
    const steps = [step('common'), step('own', more)];
    const processor = new OrderProcessor({ steps, retry: { attempts: 3 } });
    const code = codeOf(processor.submit(order));
    await clock.runAll();
    expect(await code).toBe('internal');
    expect(log).toEqual(['common 1', 'common 2', 'common 3', 'own 1']);
  });

  it('invariant 5: have one `idempotencyKey`, of this order and this step alone', async () => {
    const keys: string[] = [];
    const step = (name: string): Step => ({
      name,
      run(_, { attempt, idempotencyKey }) {
        keys.push(idempotencyKey);
        if (attempt < 3) throw new Error('Flaky');
      },
    });
    const retry = { ...fixed, attempts: 3 };
    const processor = new OrderProcessor({ steps: [step('pay'), step('ship')], retry });
    const submitted = ['a', 'b'].map((id) => processor.submit({ ...order, id }));
    await clock.runAll();
    await Promise.all(submitted);
    const counts = Object.groupBy(keys, (key) => key);
    expect(Object.keys(counts).sort()).toEqual(['a:pay', 'a:ship', 'b:pay', 'b:ship']);
    expect(Object.values(counts).map((each) => each?.length)).toEqual([3, 3, 3, 3]);
  });

  it('are reported by `retried`, with what failed and how long the pause is', async () => {
    const thrown = new OrderError('vendor_unavailable', 'Closed');
    const { step } = flaky(2, { ...fixed, attempts: 3 }, thrown);
    const processor = new OrderProcessor({ steps: [step] });
    const retried: unknown[] = [];
    processor.on('retried', (event) => retried.push(event));
    const submitted = processor.submit(order);
    await clock.runAll();
    await submitted;
    const shared = { orderId: 'a', userId: 'u', labels: [], step: 'flaky', isCompensation: false };
    const failed = { ...shared, code: 'vendor_unavailable', message: 'Closed', cause: thrown };
    expect(retried).toEqual([
      { ...failed, attempt: 1, delayMs: 100 },
      { ...failed, attempt: 2, delayMs: 200 },
    ]);
  });
});

describe('pauses', () => {
  afterEach(() => void vi.restoreAllMocks());

  async function pausesOf(retry: RetryOptions, random = 0): Promise<number[]> {
    vi.spyOn(Math, 'random').mockReturnValue(random);
    const { log } = await outcomeOf(99, { attempts: 5, ...retry });
    const times = log.map((line) => Number.parseInt(line, 10));
    return times.slice(1).map((time, at) => time - (times[at] as number));
  }

  it.each<[string, RetryOptions, number[]]>([
    ['double by default, from 100', { jitter: false }, [100, 200, 400, 800]],
    ['grow by `factor`', { ...fixed, factor: 3 }, [100, 300, 900, 2700]],
    ['stay with a factor of 1', { ...fixed, factor: 1 }, [100, 100, 100, 100]],
    ['are whole with a broken factor', { ...fixed, delayMs: 5, factor: 1.5 }, [5, 8, 11, 17]],
    ['are at most `maxDelayMs`', { ...fixed, maxDelayMs: 250 }, [100, 200, 250, 250]],
    ['are so from the first', { jitter: false, maxDelayMs: 7 }, [7, 7, 7, 7]],
    [
      'are at most 30 s by default',
      { ...fixed, delayMs: 20_000 },
      [20_000, 30_000, 30_000, 30_000],
    ],
  ])('%s', async (_, retry, pauses) => {
    expect(await pausesOf(retry)).toEqual(pauses);
  });

  it.each<[string, number, number[]]>([
    ['half of them at least', 0, [50, 100, 200, 250]],
    ['three quarters in the middle', 0.5, [75, 150, 300, 375]],
    ['all of them at most', 1 - Number.EPSILON, [100, 200, 400, 500]],
  ])('are by default a random part, %s', async (_, random, pauses) => {
    expect(await pausesOf({ delayMs: 100, maxDelayMs: 500 }, random)).toEqual(pauses);
  });
});

describe('`retryIf`', () => {
  it('is asked with what was thrown and the attempt, and only as long as one is left', async () => {
    const thrown = new Error('Flaky');
    const retryIf = vi.fn((_: unknown, attempt: number) => attempt < 9);
    const { log, code } = await outcomeOf(9, { ...fixed, attempts: 3, retryIf }, thrown);
    expect(retryIf.mock.calls).toEqual([
      [thrown, 1],
      [thrown, 2],
    ]);
    expect([log.length, code]).toEqual([3, 'internal']);
  });

  it('ends it by saying no, and the error stays what it was', async () => {
    const thrown = new OrderError('declined', 'No');
    const retryIf = (_: unknown, attempt: number): boolean => attempt < 2;
    const { log, code, step } = await outcomeOf(9, { ...fixed, attempts: 5, retryIf }, thrown);
    expect([log.length, code, step?.attempts]).toEqual([2, 'declined', 2]);
  });

  const failure = new Error('Predicate');
  it.each<[string, () => unknown, unknown[]]>([
    [
      'that throws says no, and raises `error`',
      () => {
        throw failure;
      },
      [['internal', failure]],
    ],
    [
      'that promises says no, and raises `error`',
      () => Promise.resolve(true),
      [['internal', expect.any(TypeError)]],
    ],
    [
      'that promises, and rejects, as well',
      () => Promise.reject(failure),
      [['internal', expect.any(TypeError)]],
    ],
    [
      'that answers with no boolean as well',
      () => 1,
      [
        [
          'internal',
          new TypeError('Expected `the answer of retryIf` to be a boolean, at once, got `1`'),
        ],
      ],
    ],
  ])('invariant 8: %s', async (_, retryIf, expected) => {
    const retry = { attempts: 3, retryIf: retryIf as () => boolean };
    const { log, code, errors } = await outcomeOf(9, retry, new OrderError('declined', 'No'));
    expect([log.length, code, errors]).toEqual([1, 'declined', expected]);
  });

  it('invariant 3: that cancels the order ends it: no attempt follows the outcome', async () => {
    const { step, log } = flaky(9, {
      ...fixed,
      retryIf() {
        void processor.cancel('a');
        return true;
      },
    });
    const processor: OrderProcessor = new OrderProcessor({ steps: [step] });
    const events = logOf(processor);
    processor.on('retried', () => events.push('retried'));
    const code = codeOf(processor.submit(order));
    await clock.runAll();
    expect(await code).toBe('canceled');
    expect(log).toEqual(['0 a 1']);
    expect(events.slice(2)).toEqual(['canceled:a:canceled', 'idle']);
    expect(processor.stats()).toMatchObject({ unsettled: 0, activeWorkers: 0, canceled: 1 });
  });

  it.each([new OrderError('declined', 'No', { retryable: false }), { retryable: false }])(
    'is not asked of an error that says it is final: %s',
    async (thrown) => {
      const retryIf = vi.fn(() => true);
      const { log } = await outcomeOf(9, { attempts: 3, retryIf }, thrown);
      expect(log).toHaveLength(1);
      expect(retryIf).not.toHaveBeenCalled();
    },
  );
});

it('the order fails as retryable as the step said', async () => {
  for (const retryable of [true, false]) {
    const { step } = flaky(1, undefined, new OrderError('declined', 'No', { retryable }));
    const processor = new OrderProcessor({ steps: [step] });
    expect((await errorOf(processor.submit(order))).retryable).toBe(retryable);
  }
});

describe('bad options', () => {
  it.each<[string, unknown, string]>([
    ['attempts', 0, 'an integer from 1 up, got `0`'],
    ['attempts', 1.5, 'an integer from 1 up, got `1.5`'],
    ['delayMs', 0, 'an integer from 1 to 2147483647, got `0`'],
    ['delayMs', '9', 'an integer from 1 to 2147483647, got `"9"`'],
    ['maxDelayMs', 2 ** 31, 'an integer from 1 to 2147483647, got `2147483648`'],
    ['factor', 0.9, 'a number from 1 up, got `0.9`'],
    ['factor', Number.NaN, 'a number from 1 up, got `NaN`'],
    ['factor', Number.POSITIVE_INFINITY, 'a number from 1 up, got `Infinity`'],
    ['factor', '2', 'a number from 1 up, got `"2"`'],
    ['jitter', 1, 'a boolean, got `1`'],
    ['retryIf', true, 'a function, got `true`'],
  ])('`%s: %s` is refused wherever it stands', (name, value, message) => {
    const kind = typeof value === 'number' && name !== 'jitter' ? RangeError : TypeError;
    const retry = { [name]: value } as RetryOptions;
    const step: Step = { name: 's', run: () => {} };
    const at = (path: string) => new kind(`Expected \`${path}.${name}\` to be ${message}`);
    expect(() => new OrderProcessor({ retry })).toThrow(at('retry'));
    expect(() => new OrderProcessor({ steps: [{ ...step, retry }] })).toThrow(at('steps[0].retry'));
    expect(() => new OrderProcessor({ steps: [{ ...step, compensation: { retry } }] })).toThrow(
      at('steps[0].compensation.retry'),
    );
  });

  it.each([null, 3, 'yes', { attempt: 3 }])('`retry: %o` is refused', (retry) => {
    expect(() => new OrderProcessor({ retry: retry as never })).toThrow(TypeError);
  });
});
