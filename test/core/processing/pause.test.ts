import { OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, range } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const sleeps: Step = { name: 'sleeps', run: (_, { signal }) => clock.sleep(10, signal) };
const order = (id: string, userId = 'u') => ({ id, userId, amount: 1 });

describe('pause', () => {
  it('invariant 1: lets nothing begin, and what runs goes on; accepting too', async () => {
    const processor = new OrderProcessor({ steps: [sleeps], concurrency: 4 });
    const submitted = [processor.submit(order('a'))];
    await clock.settle();
    processor.pause();
    processor.pause();
    submitted.push(processor.submit(order('b')), processor.submit(order('c', 'v')));
    await clock.advance(1_000);
    expect((await submitted[0])?.balance).toBe(1);
    expect(processor.stats()).toMatchObject({
      isPaused: true,
      queueLength: 2,
      completed: 1,
      activeWorkers: 0,
    });
    processor.resume();
    await clock.settle();
    expect(processor.stats()).toMatchObject({ isPaused: false, activeWorkers: 2, queueLength: 0 });
    await clock.runAll();
    await Promise.all(submitted);
  });

  it.each([[[]], [[sleeps]]])(
    'invariant 2: of one user holds nobody else, steps %j',
    async (steps) => {
      const processor = new OrderProcessor({ steps });
      processor.pause('u');
      const paused = codeOf(processor.submit(order('a')));
      const other = codeOf(processor.submit(order('b', 'v')));
      await clock.advance(1_000);
      expect(await other).toBe('completed');
      expect(await processor.order('a')).toMatchObject({ status: 'pending' });
      processor.resume('v');
      processor.resume();
      await clock.advance(1_000);
      expect(await processor.order('a')).toMatchObject({ status: 'pending' });
      processor.resume('u');
      await clock.runAll();
      expect(await paused).toBe('completed');
    },
  );

  it('invariant 1: while a batch without steps is under way stops the rest', async () => {
    const processor = new OrderProcessor();
    processor.pause();
    const submitted = processor.submitMany(range(100).map((index) => order(`o-${index}`)));
    await clock.settle();
    processor.once('completed', () => processor.pause());
    processor.resume();
    await clock.settle();
    expect(processor.stats()).toMatchObject({ completed: 1, queueLength: 99 });
    processor.resume();
    await clock.settle();
    expect(await submitted).toHaveLength(100);
    expect(processor.stats().completed).toBe(100);
  });
});
