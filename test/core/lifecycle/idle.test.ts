import { OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, logOf, range, watch } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const sleeps: Step = { name: 'sleeps', run: (_, { signal }) => clock.sleep(10, signal) };

describe('idleness', () => {
  it('invariant 4: `onIdle` resolves at once when there is nothing', async () => {
    const processor = new OrderProcessor();
    await processor.onIdle();
    await processor.submit({ userId: 'u', amount: 1 });
    await processor.onIdle();
  });

  it('invariant 4: it resolves when the last one is settled, and `idle` is raised once', async () => {
    const processor = new OrderProcessor({ steps: [sleeps] });
    const log = logOf(processor);
    for (const index of range(3)) await processor.enqueue({ userId: `u-${index % 2}`, amount: 1 });
    const idles = [watch(processor.onIdle()), watch(processor.onIdle())];
    await clock.advance(19);
    expect(idles.map(({ isSettled }) => isSettled)).toEqual([false, false]);
    await clock.advance(1);
    expect(idles.map(({ isSettled }) => isSettled)).toEqual([true, true]);
    expect(log.filter((line) => line === 'idle')).toHaveLength(1);
    expect(log.at(-1)).toBe('idle');
  });

  it('invariant 4: `idle` is raised once too when a listener cancels the last one', async () => {
    const processor = new OrderProcessor();
    const log = logOf(processor);
    processor.once('completed', () => void processor.cancel('b'));
    processor.pause();
    for (const id of ['a', 'b']) await processor.enqueue({ id, userId: id, amount: 1 });
    processor.resume();
    await clock.settle();
    expect(log.slice(-2)).toEqual(['canceled:b:canceled', 'idle']);
    expect(log.filter((line) => line === 'idle')).toHaveLength(1);
  });

  it('invariant 4: `onIdle` resolves at shutdown although the storage never answers', async () => {
    const storage = { get: () => undefined, apply: () => new Promise<never>(() => {}) };
    const processor = new OrderProcessor({ storage });
    const code = codeOf(processor.submit({ userId: 'u', amount: 1 }));
    await clock.settle();
    const idle = watch(processor.onIdle());
    const done = processor.shutdown({ timeoutMs: 10 });
    await clock.runAll();
    await done;
    expect(await code).toBe('storage_failed');
    expect(idle.isSettled).toBe(true);
  });
});

it('`idle` is not raised while an order is unsettled, which a listener has submitted meanwhile', async () => {
  const steps: Step[] = [{ name: 'work', run: async () => {} }];
  const processor = new OrderProcessor({ steps });
  const unsettled: number[] = [];
  processor.on('idle', () => unsettled.push(processor.stats().unsettled));
  processor.once('canceled', () => {
    void processor.submit({ id: 'b', userId: 'u', amount: 1 });
  });
  const canceled = codeOf(processor.submit({ id: 'a', userId: 'u', amount: 1 }));
  void processor.cancel('a');
  expect(await canceled).toBe('canceled');
  await processor.onIdle();
  expect(unsettled).toEqual([0]);
  await processor.shutdown();
});
