import {
  type BalanceStorage,
  isOrderError,
  OrderError,
  OrderProcessor,
  type OrderProcessorOptions,
  type Step,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, deferred, errorOf, logOf, watch } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 1 };

/** A processor with these steps, its log of events with times, and what `stalled` said. */
function make(steps: Step[], options: OrderProcessorOptions = {}) {
  const processor = new OrderProcessor({ ...options, steps });
  const log: string[] = [];
  const stalls: unknown[] = [];
  processor.on('stepped', ({ orderId, step }) =>
    log.push(`${clock.now} ${orderId} ${step.name} ${step.status} ${step.code ?? ''}`.trim()),
  );
  processor.on('stalled', (stall) => stalls.push({ at: clock.now, ...stall }));
  return { processor, log, stalls };
}

const once = { attempts: 2, delayMs: 10, jitter: false } as const;

describe("a step's `timeoutMs`", () => {
  it('invariant 3: fails the order with `timeout`, and aborts the step and the others', async () => {
    const aborted: unknown[] = [];
    const step = (name: string, timeoutMs?: number): Step => ({
      name,
      timeoutMs,
      async run(_, { signal }) {
        signal.addEventListener('abort', () => {
          const { reason } = signal;
          aborted.push([name, clock.now, isOrderError(reason) && reason.code]);
        });
        await clock.sleep(1_000, signal);
      },
    });
    const { processor, log } = make([step('slow', 50), step('beside'), step('patient', 900)]);
    const failed = errorOf(processor.submit(order));
    await clock.advance(49);
    expect(processor.stats()).toMatchObject({ failed: 0, activeWorkers: 1 });
    await clock.advance(1);
    const error = await failed;
    expect(error).toMatchObject({ code: 'timeout', retryable: true, orderId: 'a' });
    expect(error.message).toBe('Step `slow` did not end within 50 ms');
    expect(aborted).toEqual([
      ['slow', 50, 'timeout'],
      ['patient', 50, 'timeout'],
      ['beside', 50, 'timeout'],
    ]);
    expect(log.sort()).toEqual([
      '50 a beside canceled',
      '50 a patient canceled',
      '50 a slow error timeout',
    ]);
    expect(clock.timers).toBe(0);
  });

  it('invariant 3: is per attempt, and each has a signal of its own', async () => {
    const signals = new Set<AbortSignal>();
    const step: Step = {
      name: 'slow',
      timeoutMs: 20,
      retry: { attempts: 3, delayMs: 10, jitter: false },
      async run(_, { attempt, signal }) {
        expect(signal.aborted).toBe(false);
        signals.add(signal);
        await clock.sleep(attempt < 3 ? 100 : 19, signal);
      },
    };
    const { processor } = make([step]);
    const submitted = processor.submit(order);
    await clock.runAll();
    // Two attempts of 20 with pauses of 10 and 20, and one of 19.
    expect((await submitted).steps).toEqual([
      { name: 'slow', status: 'ok', durationMs: 89, attempts: 3 },
    ]);
    expect([...signals].map(({ aborted }) => aborted)).toEqual([true, true, false]);
  });

  it('invariant 3: is not restarted by what else the order does, nor left behind', async () => {
    const steps: Step[] = [
      { name: 'first', timeoutMs: 30, run: () => clock.sleep(25) },
      { name: 'second', timeoutMs: 30, after: 'first', run: () => clock.sleep(25) },
      { name: 'at-once', timeoutMs: 30, run: () => 1 },
    ];
    const { processor } = make(steps, { timeoutMs: 60 });
    const submitted = processor.submit(order);
    await clock.advance(50);
    expect((await submitted).durationMs).toBe(50);
    expect(clock.timers).toBe(0);
  });

  it('invariant 3: what the abort makes a step throw is a consequence, and not the cause', async () => {
    const step: Step = {
      name: 'slow',
      timeoutMs: 20,
      async run(_, { signal }) {
        await clock.sleep(100, signal).catch(() => {});
        throw new OrderError('gave_up', 'Not me', { retryable: false });
      },
    };
    const { processor } = make([step]);
    const failed = errorOf(processor.submit(order));
    await clock.runAll();
    expect(await failed).toMatchObject({ code: 'timeout', retryable: true });
    const [result] = (await processor.order('a'))?.steps ?? [];
    expect(result).toMatchObject({ status: 'error', code: 'timeout' });
  });
});

describe('an honest deadline', () => {
  it.each([
    ['of the order', { timeoutMs: 50 }, {}],
    ['of a step', {}, { timeoutMs: 50 }],
  ])(
    'invariant 1: %s: the caller hears at once, the next order waits for the end',
    async (_, options, more) => {
      const deaf: Step = {
        name: 'deaf',
        run: ({ id }) => clock.sleep(id === 'a' ? 200 : 1),
        ...more,
      };
      const { processor, stalls } = make([deaf], { ...options, stalledAfterMs: 1_000 });
      const log = logOf(processor);
      const first = codeOf(processor.submit(order));
      const second = processor.submit({ id: 'b', userId: 'u', amount: 2 });
      await clock.advance(50);
      expect(await first).toBe('timeout');
      await clock.advance(149);
      expect(log).not.toContain('started:b');
      // Its worker goes nowhere either: what runs in it counts as running.
      expect(processor.stats()).toMatchObject({ activeWorkers: 1, unsettled: 2 });
      await clock.advance(2);
      expect((await second).balance).toBe(2);
      expect(log.slice(3)).toEqual(['failed:a:timeout', 'started:b', 'completed:b', 'idle']);
      expect(stalls).toEqual([]);
    },
  );

  it('invariant 1: `stalled` says once what still runs and for how long', async () => {
    const gates = [deferred(), deferred()] as const;
    const steps: Step[] = [
      { name: 'quick', run: () => clock.sleep(1) },
      { name: 'deaf', run: () => gates[0].promise },
      { name: 'deafer', run: () => gates[1].promise },
    ];
    const { processor, stalls } = make(steps, { timeoutMs: 50, stalledAfterMs: 30 });
    const first = codeOf(processor.submit(order));
    const second = watch(processor.submit({ id: 'b', userId: 'u', amount: 1 }));
    await clock.advance(79);
    expect(await first).toBe('timeout');
    expect([stalls, processor.stats().failed]).toEqual([[], 0]);
    await clock.advance(100_000);
    const stall = {
      orderId: 'a',
      userId: 'u',
      labels: [],
      runningMs: 80,
      steps: ['deaf', 'deafer'],
    };
    expect(stalls).toEqual([{ at: 80, ...stall }]);
    // Settled by then, though two of its functions run: only its user waits.
    expect(processor.stats()).toMatchObject({ stalled: 1, failed: 1, activeWorkers: 0 });
    gates[0].resolve();
    await clock.advance(1_000);
    expect(processor.stats()).toMatchObject({ stalled: 1, queueLength: 1 });
    expect(second.isSettled).toBe(false);
    gates[1].reject(new Error('Late'));
    await clock.advance(1_000);
    expect(processor.stats()).toMatchObject({ stalled: 0, queueLength: 0 });
    expect(second.isSettled).toBe(true);
    expect(stalls).toHaveLength(1);
  });
});

describe('an overdue attempt with another one left', () => {
  // Its time was up before: that it says it is final changes nothing.
  const lateError = new OrderError('too_late', 'Too late');

  /** Ignores its signal: the first attempt takes so long, and may fail in the end. */
  function deaf(firstMs: number, how: 'ends' | 'throws', thrown = lateError) {
    const log: string[] = [];
    const step: Step = {
      name: 'deaf',
      timeoutMs: 20,
      retry: once,
      async run({ id }, { attempt, signal }) {
        log.push(`${clock.now} begin ${id} ${attempt}`);
        signal.addEventListener('abort', () => log.push(`${clock.now} abort ${id} ${attempt}`));
        await clock.sleep(id === 'a' && attempt === 1 ? firstMs : 5);
        log.push(`${clock.now} end ${id} ${attempt}`);
        if (id === 'a' && attempt === 1 && how === 'throws') throw thrown;
        return attempt;
      },
    };
    return { step, log };
  }

  it('invariant 1: is aborted, and the next one begins when it has ended, never beside it', async () => {
    const { step, log } = deaf(70, 'throws');
    const { processor } = make([step]);
    const retried: unknown[] = [];
    processor.on('retried', ({ attempt, code }) => retried.push([clock.now, attempt, code]));
    const submitted = processor.submit(order);
    await clock.runAll();
    expect(log).toEqual([
      '0 begin a 1',
      '20 abort a 1',
      '70 end a 1',
      '80 begin a 2',
      '85 end a 2',
    ]);
    expect(retried).toEqual([[70, 1, 'timeout']]);
    expect((await submitted).steps).toMatchObject([{ status: 'ok', attempts: 2, durationMs: 85 }]);
  });

  it('is final if what it throws in the end says so', async () => {
    const declined = new OrderError('declined', 'No', { retryable: false });
    const { step, log } = deaf(70, 'throws', declined);
    const { processor } = make([step]);
    const code = codeOf(processor.submit(order));
    await clock.runAll();
    expect(await code).toBe('declined');
    expect(log).toEqual(['0 begin a 1', '20 abort a 1', '70 end a 1']);
  });

  it('invariant 3: counts if it succeeds after all', async () => {
    const { step, log } = deaf(70, 'ends');
    const { processor } = make([step]);
    const submitted = processor.submit(order);
    await clock.runAll();
    expect(log).toEqual(['0 begin a 1', '20 abort a 1', '70 end a 1']);
    expect((await submitted).steps).toMatchObject([{ status: 'ok', attempts: 1, durationMs: 70 }]);
  });

  it('invariant 4: that never ends fails the order after `stalledAfterMs`', async () => {
    const { step, log } = deaf(10_000_000, 'ends');
    const { processor, stalls } = make([step], { stalledAfterMs: 100, concurrency: 1 });
    const failed = watch(processor.submit(order));
    const behind = watch(processor.submit({ id: 'b', userId: 'u', amount: 1 }));
    const other = watch(processor.submit({ id: 'c', userId: 'v', amount: 1 }));
    await clock.advance(119);
    expect(failed.isSettled).toBe(false);
    await clock.advance(1);
    expect(failed.isSettled).toBe(true);
    await clock.advance(10_000);
    expect(await processor.order('a')).toMatchObject({
      status: 'failed',
      code: 'timeout',
      steps: [{ status: 'error', code: 'timeout', attempts: 1 }],
    });
    expect(log).toEqual(['0 begin a 1', '20 abort a 1', '120 begin c 1', '125 end c 1']);
    expect(stalls).toMatchObject([{ at: 100, orderId: 'a', steps: ['deaf'] }]);
    expect([other.isSettled, behind.isSettled]).toEqual([true, false]);
  });

  it('invariant 3: is not tried again if the order is canceled before it ends', async () => {
    const { step, log } = deaf(70, 'throws');
    const { processor } = make([step]);
    const failed = codeOf(processor.submit(order));
    await clock.advance(30);
    void processor.cancel('a');
    await clock.runAll();
    expect(await failed).toBe('canceled');
    expect(log).toEqual(['0 begin a 1', '20 abort a 1', '70 end a 1']);
    expect((await processor.order('a'))?.steps).toMatchObject([
      { status: 'canceled', attempts: 1 },
    ]);
  });
});

describe("a compensation's time", () => {
  const own = { compensation: { timeoutMs: 10 } };
  it.each([
    ['its own limit', { ...own, timeoutMs: 20 }, { timeoutMs: 30 }, 10],
    ["else the step's", { timeoutMs: 20 }, { timeoutMs: 30 }, 20],
    ["else the processor's", {}, { timeoutMs: 30 }, 30],
    ['else `stalledAfterMs`', {}, {}, 40],
  ])('invariant 4: is bounded by %s', async (_, limits, options, ms) => {
    const log: string[] = [];
    const charges: Step = {
      name: 'charges',
      ...limits,
      run: () => 'charge-1',
      async compensate(_order, { signal }) {
        log.push(`${clock.now} begin ${signal.aborted}`);
        signal.addEventListener('abort', () => log.push(`${clock.now} abort`));
        await clock.sleep(1_000, signal);
      },
    };
    const fails: Step = {
      name: 'fails',
      after: 'charges',
      async run() {
        await clock.sleep(5);
        throw new OrderError('declined', 'No');
      },
    };
    const { processor } = make([charges, fails], { ...options, stalledAfterMs: 40 });
    processor.on('error', ({ code }) => log.push(`${clock.now} ${code}`));
    const failed = errorOf(processor.submit(order));
    await clock.runAll();
    expect(log).toEqual(['5 begin false', `${5 + ms} abort`, `${5 + ms} compensation_failed`]);
    expect((await failed).code).toBe('declined');
    const compensation = { status: 'error', code: 'timeout', durationMs: ms, attempts: 1 };
    const [result] = (await processor.order('a'))?.steps ?? [];
    expect(result).toMatchObject({ status: 'ok', durationMs: 0, compensation });
  });
});

/** Is done at once, and can be compensated. */
function charge(more: Partial<Step> = {}): Step {
  return { name: 'charge', run: () => {}, compensate: () => {}, ...more };
}

function storageThat(apply: BalanceStorage['apply']): BalanceStorage {
  return { get: () => 0, apply };
}

it('invariant 4: a refusal that comes after `timeoutMs` notifies the caller at once', async () => {
  const storage = storageThat(async () => {
    await clock.sleep(80);
    return [{ refused: 'insufficient_funds' }];
  });
  const compensation = { timeoutMs: 2_000 };
  const slow = charge({ compensation, compensate: () => clock.sleep(1_000) });
  const processor = new OrderProcessor({ storage, steps: [slow], timeoutMs: 50 });
  const times: number[] = [];
  const own = globalThis.setTimeout;
  // No spy of Vitest: it would be restored once more when the clock's own is gone.
  globalThis.setTimeout = ((task: () => void, ms = 0) => {
    times.push(ms);
    return own(task, ms);
  }) as typeof setTimeout;
  const failed = watch(processor.submit(order));
  await clock.advance(79);
  expect(failed.isSettled).toBe(false);
  await clock.advance(1);
  expect(failed.isSettled).toBe(true);
  // Of a negative time Node.js warns.
  expect(times.length).toBeGreaterThan(0);
  expect(times.filter((ms) => ms < 1)).toEqual([]);
  globalThis.setTimeout = own;
  await clock.runAll();
});
