import { OrderError, OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, deferred, errorOf, range } from '../../kit/helpers.ts';
import { randomFrom } from '../../kit/random.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

/** A step with so many places, that takes so long, and its log. */
function bounded(concurrency: number, ms: number, more: Partial<Step> = {}) {
  const log: string[] = [];
  let inside = 0;
  const seen = { most: 0 };
  const step: Step = {
    name: 'courier',
    concurrency,
    async run({ id }, { signal }) {
      log.push(`${clock.now} begin ${id}`);
      inside += 1;
      seen.most = Math.max(seen.most, inside);
      try {
        await clock.sleep(ms, signal);
      } finally {
        inside -= 1;
        log.push(`${clock.now} end ${id}`);
      }
    },
    ...more,
  };
  return { step, log, seen };
}

/** Orders of one user each, by id. */
function submitAll(processor: OrderProcessor, ids: readonly string[]): Promise<string[]> {
  return Promise.all(ids.map((id) => codeOf(processor.submit({ id, userId: id, amount: 1 }))));
}

describe('a bounded step', () => {
  it('invariant 1: is never in more orders at once than its bound, and uses all of it', async () => {
    const random = randomFrom(3);
    let inside = 0;
    let most = 0;
    const courier: Step = {
      name: 'courier',
      concurrency: 5,
      async run({ id }) {
        inside += 1;
        most = Math.max(most, inside);
        await clock.sleep(random() * 20);
        inside -= 1;
        if (id.endsWith('3')) throw new OrderError('no_courier', 'None');
      },
    };
    const payment: Step = {
      name: 'payment',
      async run({ id }) {
        await clock.sleep(random() * 20);
        if (id.endsWith('7')) throw new OrderError('declined', 'No');
      },
    };
    const processor = new OrderProcessor({ steps: [courier, payment], concurrency: 40 });
    const codes = submitAll(
      processor,
      range(300).map((index) => `o-${index}`),
    );
    await clock.runAll();
    const counts = Object.groupBy(await codes, (code) => code);
    expect(most).toBe(5);
    expect(inside).toBe(0);
    expect(counts.completed).toHaveLength(240);
    expect(processor.stats()).toMatchObject({ unsettled: 0, activeWorkers: 0 });
  });

  it('invariant 7: lets orders in by turns, first come, first served', async () => {
    const { step, log } = bounded(2, 10);
    const processor = new OrderProcessor({ steps: [step] });
    const codes = submitAll(processor, ['a', 'b', 'c', 'd', 'e']);
    await clock.runAll();
    await codes;
    expect(log.filter((line) => line.includes('begin'))).toEqual([
      '0 begin a',
      '0 begin b',
      '10 begin c',
      '10 begin d',
      '20 begin e',
    ]);
  });

  it('invariant 3: counts only its own time, and only the order waits for it', async () => {
    const { step } = bounded(1, 10, { timeoutMs: 15 });
    const processor = new OrderProcessor({ steps: [step] });
    const submitted = ['a', 'b', 'c'].map((id) => processor.submit({ id, userId: id, amount: 1 }));
    await clock.advance(15);
    expect(processor.stats()).toMatchObject({ completed: 1, activeWorkers: 2 });
    await clock.runAll();
    const receipts = await Promise.all(submitted);
    expect(receipts.map(({ durationMs, steps }) => [durationMs, steps[0]?.durationMs])).toEqual([
      [10, 10],
      [20, 10],
      [30, 10],
    ]);
  });

  it('is not counted in compensations', async () => {
    let inside = 0;
    let most = 0;
    const courier: Step = {
      name: 'courier',
      concurrency: 1,
      run: () => {},
      async compensate() {
        inside += 1;
        most = Math.max(most, inside);
        await clock.sleep(10);
        inside -= 1;
      },
    };
    const fails: Step = {
      name: 'fails',
      after: 'courier',
      run: () => Promise.reject(new OrderError('declined', 'No')),
    };
    const processor = new OrderProcessor({ steps: [courier, fails] });
    const codes = submitAll(processor, ['a', 'b', 'c']);
    await clock.runAll();
    await codes;
    expect(most).toBe(3);
  });
});

describe('an order that waits for a place', () => {
  /** `a` has the only place; `b` and `c` wait for it. What becomes of `b`, and when `c` begins. */
  async function withoutB(end: (processor: OrderProcessor) => unknown, others: Step[] = []) {
    const { step, log } = bounded(1, 50);
    const processor = new OrderProcessor({ steps: [step, ...others] });
    const first = codeOf(processor.submit({ id: 'a', userId: 'a', amount: 1 }));
    await clock.advance(10);
    const failed = errorOf(processor.submit({ id: 'b', userId: 'b', amount: 1 }));
    const third = codeOf(processor.submit({ id: 'c', userId: 'c', amount: 1 }));
    await clock.advance(10);
    await end(processor);
    await clock.runAll();
    const error = await failed;
    expect([await first, await third]).toEqual(['completed', 'completed']);
    expect(log).toEqual(['0 begin a', '50 end a', '50 begin c', '100 end c']);
    expect((await processor.order('b'))?.steps[0]).toEqual({
      name: 'courier',
      status: 'skipped',
      durationMs: 0,
      attempts: 0,
    });
    expect(processor.stats()).toMatchObject({ unsettled: 0, activeWorkers: 0 });
    expect(clock.timers).toBe(0);
    return error;
  }

  it('invariant 3: gives it up when another of its steps fails', async () => {
    const payment: Step = {
      name: 'payment',
      async run({ id }) {
        await clock.sleep(5);
        if (id === 'b') throw new OrderError('declined', 'No');
      },
    };
    expect((await withoutB(() => {}, [payment])).code).toBe('declined');
  });

  it('invariant 3: gives it up when it is canceled', async () => {
    expect((await withoutB((processor) => processor.cancel('b'))).code).toBe('canceled');
  });

  it('invariant 3: gives it up when its time is up', async () => {
    const log: string[] = [];
    const deaf: Step = {
      name: 'courier',
      concurrency: 1,
      async run({ id }) {
        log.push(`${clock.now} begin ${id}`);
        await clock.sleep(id === 'a' ? 80 : 5);
      },
    };
    const processor = new OrderProcessor({ steps: [deaf], timeoutMs: 60 });
    const codes = submitAll(processor, ['a', 'b']);
    await clock.advance(30);
    const third = codeOf(processor.submit({ id: 'c', userId: 'c', amount: 1 }));
    await clock.runAll();
    expect([...(await codes), await third]).toEqual(['timeout', 'timeout', 'completed']);
    expect(log).toEqual(['0 begin a', '80 begin c']);
    expect((await processor.order('b'))?.steps).toMatchObject([{ status: 'skipped', attempts: 0 }]);
  });

  it('invariant 4: ends at the deadline of shutdown', async () => {
    const { step, log } = bounded(1, 50_000);
    const processor = new OrderProcessor({ steps: [step] });
    const codes = submitAll(processor, ['a', 'b', 'c']);
    await clock.advance(1);
    const closed = processor.shutdown({ timeoutMs: 100 });
    await clock.advance(100);
    expect(await codes).toEqual(['canceled', 'canceled', 'canceled']);
    expect(await closed).toMatchObject({ canceled: 3, running: [], unsettled: [] });
    expect(log).toEqual(['0 begin a', '101 end a']);
  });
});

describe('a place', () => {
  it('invariant 2: is free again after a failure, thrown at once or later', async () => {
    const { step, log } = bounded(1, 10);
    const fails: Step = {
      ...step,
      run(order, context) {
        if (order.id === 'thrown') throw new OrderError('declined', 'No');
        if (order.id === 'rejected') return Promise.reject(new OrderError('declined', 'No'));
        return step.run(order, context);
      },
    };
    const processor = new OrderProcessor({ steps: [fails] });
    const codes = submitAll(processor, ['thrown', 'rejected', 'c', 'd']);
    await clock.runAll();
    expect(await codes).toEqual(['declined', 'declined', 'completed', 'completed']);
    expect(log).toEqual(['0 begin c', '10 end c', '10 begin d', '20 end d']);
  });

  it('invariant 2: is free in the pause before another attempt, which queues for one anew', async () => {
    const { step, log } = bounded(1, 30);
    const flaky: Step = {
      ...step,
      retry: { attempts: 2, delayMs: 10, jitter: false },
      async run(order, context) {
        await step.run(order, context);
        if (order.id === 'a' && context.attempt === 1) throw new Error('Flaky');
      },
    };
    const processor = new OrderProcessor({ steps: [flaky] });
    const codes = submitAll(processor, ['a', 'b', 'c']);
    await clock.runAll();
    expect(await codes).toEqual(['completed', 'completed', 'completed']);
    expect(log.filter((line) => line.includes('begin'))).toEqual([
      '0 begin a',
      '30 begin b',
      '60 begin c',
      '90 begin a',
    ]);
  });

  it('invariant 1: is not free before an attempt that was given up has really ended', async () => {
    const gate = deferred();
    const began: string[] = [];
    const deaf: Step = {
      name: 'deaf',
      concurrency: 1,
      run({ id }) {
        began.push(id);
        return id === 'a' ? gate.promise : undefined;
      },
    };
    const processor = new OrderProcessor({ steps: [deaf], stalledAfterMs: 20 });
    processor.on('stalled', () => {});
    const codes = submitAll(processor, ['a', 'b']);
    await clock.settle();
    expect(await processor.cancel('a')).toBe(true);
    await clock.advance(1_000);
    expect(await processor.order('a')).toMatchObject({ status: 'canceled' });
    expect(began).toEqual(['a']);
    gate.resolve();
    expect(await codes).toEqual(['canceled', 'completed']);
    expect(began).toEqual(['a', 'b']);
  });

  it('invariant 8: goes from one to the next of many who are done at once, on a flat stack', async () => {
    const gate = deferred();
    // Deeper than the stack is, if each called the next.
    const count = 12_000;
    let ran = 0;
    const courier: Step = {
      name: 'courier',
      concurrency: 1,
      run({ id }) {
        ran += 1;
        return id === 'o-0' ? gate.promise : undefined;
      },
    };
    const processor = new OrderProcessor({
      steps: [courier],
      concurrency: count,
      capacity: count,
    });
    const outcomes = processor.submitMany(
      range(count).map((index) => ({ id: `o-${index}`, userId: `u-${index}`, amount: 1 })),
    );
    await clock.settle();
    expect(processor.stats()).toMatchObject({ activeWorkers: count, completed: 0 });
    expect(ran).toBe(1);
    gate.resolve();
    await clock.settle();
    expect((await outcomes).every(({ status }) => status === 'completed')).toBe(true);
    expect(ran).toBe(count);
  });
});
