import { OrderProcessor } from 'order-processor';
import PQueue from 'p-queue';
import { expect, it, vi } from 'vitest';
import { range } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

it('asks p-queue once for a run of one user’s orders and not once for each', async () => {
  const add = vi.spyOn(PQueue.prototype, 'add');
  // The library's slices of time end now and then, and it goes on in a new one.
  clock.msPerReading = 0.1;
  const processor = new OrderProcessor({ steps: [{ name: 'work', run: () => Promise.resolve() }] });
  const settled = processor.submitMany(range(1_000).map(() => ({ userId: 'u', amount: 1 })));
  await clock.runAll();
  await settled;
  expect(add.mock.calls.length).toBeLessThan(30);
  add.mockRestore();
});
