import { OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, range } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const sleeps: Step = { name: 'sleeps', run: (_, { signal }) => clock.sleep(10, signal) };
const order = (id: string, userId = 'u') => ({ id, userId, amount: 1 });

describe('stats', () => {
  it('count every moment of an order', async () => {
    const processor = new OrderProcessor({ steps: [sleeps], concurrency: 1 });
    const none = {
      state: 'running',
      storage: 'ready',
      recovered: 0,
      isPaused: false,
      capacity: 10_000,
      concurrency: 1,
      accepted: 0,
      refused: 0,
      duplicates: 0,
      completed: 0,
      failed: 0,
      canceled: 0,
      queueLength: 0,
      waitingCallers: 0,
      unsettled: 0,
      scheduled: 0,
      activeWorkers: 0,
      stalled: 0,
      heldLanes: 0,
      heldOrders: 0,
      oldestHoldMs: 0,
      waitMs: { p50: 0, p95: 0, p99: 0, max: 0, mean: 0 },
      durationMs: { p50: 0, p95: 0, p99: 0, max: 0, mean: 0 },
      oldestWaitMs: 0,
      uptimeMs: 0,
    };
    expect(processor.stats()).toEqual(none);
    void processor.submit(order('a'));
    void processor.submit(order('b'));
    await clock.settle();
    const at0 = { ...none, accepted: 2, unsettled: 2, queueLength: 1, activeWorkers: 1 };
    expect(processor.stats()).toEqual(at0);
    await clock.advance(4);
    expect(processor.stats()).toEqual({ ...at0, oldestWaitMs: 4, uptimeMs: 4 });
    await clock.advance(8);
    expect(processor.stats()).toMatchObject({
      completed: 1,
      unsettled: 1,
      queueLength: 0,
      activeWorkers: 1,
      oldestWaitMs: 0,
      durationMs: { p50: 10, p95: 10, p99: 10, max: 10, mean: 10 },
    });
    await clock.runAll();
    expect(processor.stats()).toMatchObject({
      completed: 2,
      unsettled: 0,
      activeWorkers: 0,
      waitMs: { p50: 0, p95: 10, max: 10, mean: 5 },
    });
  });

  it('forget percentiles after two minutes, and keep the counts', async () => {
    const processor = new OrderProcessor({ steps: [sleeps] });
    await Promise.all([processor.submit(order('a')), clock.advance(10)]);
    await clock.advance(59_000);
    expect(processor.stats().durationMs.max).toBe(10);
    await clock.advance(130_000);
    expect(processor.stats()).toMatchObject({ completed: 1, durationMs: { max: 0, mean: 0 } });
  });

  it('add up over a mix', async () => {
    const processor = new OrderProcessor({ steps: [sleeps], capacity: 50, minBalance: 0 });
    processor.pause();
    const codes = range(80).map((index) =>
      codeOf(
        processor.submit({
          ...order(`o-${index}`, `u-${index % 9}`),
          amount: index % 4 === 0 ? -50 : 1,
        }),
      ),
    );
    for (const index of range(10)) void processor.cancel(`o-${index * 3}`);
    processor.resume();
    await clock.runAll();
    const heard = await Promise.all(codes);
    const count = (code: string): number => heard.filter((each) => each === code).length;
    expect(processor.stats()).toMatchObject({
      accepted: 50,
      refused: 30,
      completed: count('completed'),
      failed: count('insufficient_funds'),
      canceled: 10,
      unsettled: 0,
    });
    expect(count('completed') + count('insufficient_funds')).toBe(40);
  });
});
