import { OrderError, OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, logOf } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

/** Fails so often, each attempt after some milliseconds; later attempts hang if they are to. */
function step(failures: number, ms: number, hangs = false): Step {
  return {
    name: 'work',
    retry: { attempts: 10, delayMs: 60_000, factor: 1, jitter: false },
    run: async (_, { attempt }) => {
      await clock.sleep(ms);
      if (attempt <= failures) throw new Error('Flaky');
      if (hangs) await clock.sleep(3_000_000);
    },
  };
}

describe('`stalled`', () => {
  it('is not raised for an order that pauses between attempts', async () => {
    const processor = new OrderProcessor({ steps: [step(3, 20_000)], stalledAfterMs: 30_000 });
    const log = logOf(processor);
    const code = codeOf(processor.submit({ id: 'a', userId: 'u', amount: 1 }));
    await clock.advance(200_000);
    expect(processor.stats().stalled).toBe(0);
    await clock.runAll();
    expect(await code).toBe('completed');
    expect(log.filter((line) => line.startsWith('stalled'))).toEqual([]);
  });

  it('nor while it waits for a worker after a pause', async () => {
    const steps = [step(1, 10)];
    const processor = new OrderProcessor({ steps, stalledAfterMs: 30_000, concurrency: 1 });
    const log = logOf(processor);
    const code = codeOf(processor.submit({ id: 'a', userId: 'u', amount: 1 }));
    await clock.advance(50_000);
    processor.pause();
    await clock.advance(100_000);
    processor.resume();
    await clock.runAll();
    expect(await code).toBe('completed');
    expect(log).not.toContain('stalled:a');
  });

  it('invariant 1: is raised for an attempt after a pause that does not end', async () => {
    const steps = [step(1, 10, true)];
    const processor = new OrderProcessor({ steps, stalledAfterMs: 30_000 });
    const log = logOf(processor);
    void codeOf(processor.submit({ id: 'a', userId: 'u', amount: 1 }));
    await clock.advance(60_010 + 29_999);
    expect(log).not.toContain('stalled:a');
    await clock.advance(1);
    expect(log).toContain('stalled:a');
    await clock.runAll();
  });
});

describe('`maxDelayMs`', () => {
  const steps: Step[] = [{ name: 'work', run: () => {} }];

  it('is at least `delayMs` where it is not given', async () => {
    const delays: number[] = [];
    const retry = { attempts: 2, delayMs: 120_000, jitter: false };
    const processor = new OrderProcessor({
      steps: [step(1, 1)].map((each) => ({ ...each, retry })),
    });
    processor.on('retried', ({ delayMs }) => delays.push(delayMs));
    void codeOf(processor.submit({ userId: 'u', amount: 1 }));
    await clock.runAll();
    expect(delays).toEqual([120_000]);
  });

  it('below `delayMs` is an error', () => {
    const retry = { delayMs: 120_000, maxDelayMs: 30_000 };
    expect(() => new OrderProcessor({ steps, retry })).toThrow(
      new RangeError('Expected `retry.maxDelayMs` to be at least `delayMs`, 120000, got `30000`'),
    );
  });
});

const order = { id: 'a', userId: 'u', amount: 1 };
const declined = new OrderError('declined', 'Card declined');
const twice = { attempts: 2, delayMs: 100, jitter: false };

it('invariant 1: `stalled` names what pauses and what waits for a place, not what is done', async () => {
  const steps: Step[] = [
    { name: 'done', run: () => {} },
    { name: 'runs', run: (_, { signal }) => clock.sleep(1_000, signal) },
    { name: 'pauses', retry: twice, run: () => Promise.reject(declined) },
    { name: 'waits', concurrency: 1, run: (_, { signal }) => clock.sleep(1_000, signal) },
    { name: 'later', after: ['done', 'runs'], run: () => {} },
  ];
  const processor = new OrderProcessor({ steps, stalledAfterMs: 50 });
  const stalls: unknown[] = [];
  processor.on('stalled', (stall) => stalls.push(stall));
  const first = codeOf(processor.submit({ ...order, id: 'first', userId: 'v' }));
  const second = codeOf(processor.submit(order));
  await clock.advance(50);
  expect(stalls).toEqual(
    ['v', 'u'].map((userId) => ({
      orderId: userId === 'v' ? 'first' : 'a',
      userId,
      labels: [],
      runningMs: 50,
      steps: ['runs', 'pauses', 'waits'],
    })),
  );
  await clock.runAll();
  expect([await first, await second]).toEqual(['declined', 'declined']);
});
