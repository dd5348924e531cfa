import { OrderError, OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, errorOf, logOf, range } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

/** Takes 10 ms; the first attempts of the orders of user `u` fail. */
function flaky(failures = 1, delayMs = 100) {
  const log: string[] = [];
  const step: Step = {
    name: 'flaky',
    retry: { attempts: 10, delayMs, factor: 1, jitter: false },
    async run({ id, userId }, { attempt, signal }) {
      log.push(`${clock.now} ${id} ${attempt}`);
      await clock.sleep(10, signal);
      if (userId === 'u' && attempt <= failures) throw new Error('Flaky');
    },
  };
  return { step, log };
}

describe('in a pause', () => {
  it("invariant 1: the user's next order waits", async () => {
    const { step, log } = flaky();
    const processor = new OrderProcessor({ steps: [step] });
    const events = logOf(processor);
    const codes = ['a', 'b'].map((id) => codeOf(processor.submit({ id, userId: 'u', amount: 1 })));
    await clock.advance(60);
    expect(processor.stats()).toMatchObject({ unsettled: 2, queueLength: 1 });
    expect(await processor.order('a')).toMatchObject({ status: 'processing' });
    await clock.runAll();
    expect(await Promise.all(codes)).toEqual(['completed', 'completed']);
    expect(log).toEqual(['0 a 1', '110 a 2', '120 b 1', '230 b 2']);
    expect(events.indexOf('started:b')).toBeGreaterThan(events.indexOf('completed:a'));
  });

  it('invariant 2: the worker is free for another user, and the stats say so', async () => {
    const { step, log } = flaky();
    const processor = new OrderProcessor({ steps: [step], concurrency: 1 });
    const submitted = [processor.submit({ id: 'a', userId: 'u', amount: 1 })];
    for (const id of ['x', 'y']) submitted.push(processor.submit({ id, userId: id, amount: 1 }));
    await clock.advance(9);
    expect(processor.stats()).toMatchObject({ activeWorkers: 1, queueLength: 2 });
    await clock.advance(6);
    expect(processor.stats()).toMatchObject({ activeWorkers: 1, queueLength: 1 });
    await clock.advance(50);
    expect(processor.stats()).toMatchObject({ activeWorkers: 0, queueLength: 0, unsettled: 1 });
    await clock.runAll();
    await Promise.all(submitted);
    expect(log).toEqual(['0 a 1', '10 x 1', '20 y 1', '110 a 2']);
  });

  it('invariant 2: the worker stays while another step of the order runs', async () => {
    const { step, log } = flaky();
    const slow: Step = { name: 'slow', run: ({ id }) => clock.sleep(id === 'a' ? 60 : 1) };
    const processor = new OrderProcessor({ steps: [step, slow], concurrency: 1 });
    const submitted = ['u', 'v'].map((userId, at) =>
      processor.submit({ id: 'ax'[at] as string, userId, amount: 1 }),
    );
    await clock.runAll();
    await Promise.all(submitted);
    expect(log).toEqual(['0 a 1', '60 x 1', '110 a 2']);
  });

  it('invariant 2: the worker stays while another step of the order waits for its place', async () => {
    const { step, log } = flaky();
    const bounded: Step = { name: 'bounded', concurrency: 1, run: () => clock.sleep(60) };
    const processor = new OrderProcessor({ steps: [step, bounded], concurrency: 2 });
    const submitted = ['x', 'u', 'y'].map((userId) =>
      processor.submit({ id: `of-${userId}`, userId, amount: 1 }),
    );
    await clock.runAll();
    await Promise.all(submitted);
    expect(log).toEqual(['0 of-x 1', '0 of-u 1', '60 of-y 1', '110 of-u 2']);
  });

  it('invariant 7: no other user is delayed, however many retry and how often', async () => {
    const timesWith = async (failures: number): Promise<string[]> => {
      const { step, log } = flaky(failures, 1_000);
      const processor = new OrderProcessor({ steps: [step], concurrency: 2 });
      const orders = range(40).map((index) => ({
        id: `o-${index}`,
        userId: `v-${index % 8}`,
        amount: 1,
      }));
      const retrying = range(3).map((index) => ({ id: `r-${index}`, userId: 'u', amount: 1 }));
      const start = clock.now;
      const outcomes = processor.submitMany([...retrying, ...orders]);
      await clock.runAll();
      await outcomes;
      return log.map((line) => `${Number.parseInt(line, 10) - start} ${line.split(' ')[1]}`);
    };
    const isOther = (line: string): boolean => line.includes('o-');
    const alone = (await timesWith(0)).filter(isOther);
    const beside = (await timesWith(5)).filter(isOther);
    const timeOf = (line: string | undefined): number => Number.parseInt(line ?? '', 10);
    // The three orders themselves are spread over time; for the others there is only more room.
    expect(beside).toHaveLength(40);
    for (const [at, line] of beside.entries()) {
      expect(timeOf(line)).toBeLessThanOrEqual(timeOf(alone[at]));
    }
  });

  it('invariant 7: when it is over, retries and new orders take turns at the only worker', async () => {
    const { step, log } = flaky(1, 5);
    let inside = 0;
    let most = 0;
    const everybody: Step = {
      ...step,
      async run(order, context) {
        log.push(`${clock.now} ${order.id} ${context.attempt}`);
        inside += 1;
        most = Math.max(most, inside);
        await clock.sleep(10);
        inside -= 1;
        if (order.id.startsWith('r') && context.attempt === 1) throw new Error('Flaky');
      },
    };
    const processor = new OrderProcessor({ steps: [everybody], concurrency: 1 });
    const ids = ['r-1', 'r-2', 'r-3', 'n-1', 'n-2', 'n-3', 'n-4'];
    const codes = ids.map((id) => codeOf(processor.submit({ id, userId: id, amount: 1 })));
    await clock.runAll();
    expect(new Set(await Promise.all(codes))).toEqual(new Set(['completed']));
    expect(most).toBe(1);
    const kinds = log.map((line) => (line.endsWith('2') ? 'retry' : 'new'));
    const firstRetry = kinds.indexOf('retry');
    // From the first one on: neither kind waits for more than one of the other.
    expect(kinds.slice(firstRetry, firstRetry + 6)).toEqual([
      'retry',
      'new',
      'retry',
      'new',
      'retry',
      'new',
    ]);
    expect(kinds.filter((kind) => kind === 'retry')).toHaveLength(3);
  });

  it.each([undefined, 'u'])(
    'invariant 2: `pause(%s)` does not hold back what has begun',
    async (userId) => {
      const { step, log } = flaky();
      const processor = new OrderProcessor({ steps: [step], concurrency: 1 });
      const first = processor.submit({ id: 'a', userId: 'u', amount: 1 });
      const second = processor.submit({ id: 'b', userId: 'u', amount: 1 });
      await clock.advance(50);
      processor.pause(userId);
      await clock.advance(1_000);
      expect((await first).balance).toBe(1);
      expect(log).toEqual(['0 a 1', '110 a 2']);
      processor.resume(userId);
      await clock.runAll();
      expect((await second).balance).toBe(2);
    },
  );

  it('invariant 3: `cancel` ends the order at once, and the next one goes', async () => {
    const { step, log } = flaky();
    const processor = new OrderProcessor({ steps: [step], concurrency: 1 });
    const failed = errorOf(processor.submit({ id: 'a', userId: 'u', amount: 1 }));
    const second = processor.submit({ id: 'b', userId: 'u', amount: 1 });
    await clock.advance(50);
    expect(await processor.cancel('a')).toBe(true);
    await clock.runAll();
    expect((await failed).code).toBe('canceled');
    await second;
    expect(log).toEqual(['0 a 1', '50 b 1', '160 b 2']);
    expect((await processor.order('a'))?.steps).toEqual([
      { name: 'flaky', status: 'canceled', durationMs: 50, attempts: 1 },
    ]);
  });

  it('invariant 3: the time of the order runs on, and ends it', async () => {
    const { step, log } = flaky(9);
    const processor = new OrderProcessor({ steps: [step], timeoutMs: 150, concurrency: 1 });
    const failed = errorOf(processor.submit({ id: 'a', userId: 'u', amount: 1 }));
    await clock.advance(150);
    expect((await failed).code).toBe('timeout');
    expect(log).toEqual(['0 a 1', '110 a 2']);
    expect(processor.stats()).toMatchObject({ unsettled: 0, activeWorkers: 0, stalled: 0 });
    expect(clock.timers).toBe(0);
  });

  it('invariant 3: the failure of another step ends the order, without a worker too', async () => {
    const { step } = flaky();
    const fails: Step = {
      name: 'fails',
      retry: { attempts: 2, delayMs: 20, jitter: false },
      run() {
        throw Object.assign(new Error('No'), { code: 'declined' });
      },
    };
    const processor = new OrderProcessor({ steps: [step, fails], concurrency: 1 });
    const failed = errorOf(processor.submit({ id: 'a', userId: 'u', amount: 1 }));
    await clock.runAll();
    expect((await failed).code).toBe('declined');
    expect((await processor.order('a'))?.steps).toMatchObject([
      { status: 'canceled', attempts: 1, durationMs: 20 },
      { status: 'error', attempts: 2, durationMs: 20 },
    ]);
  });

  it('invariant 4: `shutdown` waits for the retry, until its deadline', async () => {
    for (const [timeoutMs, code, canceled] of [
      [200, 'completed', 0],
      [50, 'canceled', 1],
    ] as const) {
      const { step } = flaky();
      const processor = new OrderProcessor({ steps: [step] });
      const outcome = codeOf(processor.submit({ id: 'a', userId: 'u', amount: 1 }));
      await clock.advance(20);
      const closed = processor.shutdown({ timeoutMs });
      await clock.runAll();
      expect(await outcome).toBe(code);
      expect(await closed).toMatchObject({ canceled, running: [], unsettled: [] });
      expect(clock.timers).toBe(0);
    }
  });
});

describe('an error with `retryAfterMs`', () => {
  async function pausesAfter(thrown: readonly unknown[]): Promise<number[]> {
    const delays: number[] = [];
    const left = [...thrown];
    const asks: Step = {
      name: 'asks',
      retry: { attempts: 20, delayMs: 100, maxDelayMs: 100, factor: 1, jitter: false },
      run() {
        if (left.length > 0) throw left.shift();
      },
    };
    const processor = new OrderProcessor({ steps: [asks] });
    processor.on('retried', ({ delayMs }) => delays.push(delayMs));
    const receipt = processor.submit({ userId: 'u', amount: 1 });
    await clock.advance(2 ** 33);
    await receipt;
    return delays;
  }

  const waits = (retryAfterMs: unknown): Error => Object.assign(new Error(), { retryAfterMs });

  it('says how long the pause after it is, in place of the policy', async () => {
    const full = new OrderError('vendor_busy', 'Busy', { retryAfterMs: 7 });
    const thrown = [
      waits(5_000),
      waits(0),
      waits(1.2),
      full,
      new Error('none'),
      { retryAfterMs: 3 },
    ];
    expect(await pausesAfter(thrown)).toEqual([5_000, 0, 2, 7, 100, 3]);
    expect(await pausesAfter([waits(1e12), waits(Infinity)])).toEqual([
      2_147_483_647, 2_147_483_647,
    ]);
  });

  it('invariant 8: is passed over where it is no number from 0 up', async () => {
    const trap = Object.defineProperty(new Error(), 'retryAfterMs', {
      get() {
        throw new Error('Not for you');
      },
    });
    const odd = [
      waits(-1),
      waits(Number.NaN),
      waits('5'),
      waits(5n),
      waits({}),
      trap,
      null,
      undefined,
    ];
    expect(new Set(await pausesAfter(odd))).toEqual(new Set([100]));
  });

  it('changes nothing where no attempt follows', async () => {
    const { step } = flaky();
    const processor = new OrderProcessor({
      steps: [{ ...step, retry: { attempts: 1 }, run: () => Promise.reject(waits(5_000)) }],
    });
    const code = codeOf(processor.submit({ userId: 'u', amount: 1 }));
    await clock.runAll();
    expect(await code).toBe('internal');
    expect(clock.now).toBe(0);
  });
});
