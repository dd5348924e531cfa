import fc from 'fast-check';
import { OrderProcessor } from 'order-processor';
import { expect, it } from 'vitest';
import { collect } from '../../kit/collect.ts';
import { Driver } from '../../kit/kept/driver.ts';
import { scenario } from '../../kit/kept/plan.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

/** How many of them something still holds. */
async function countHeld(refs: readonly WeakRef<object>[]): Promise<number> {
  // What was looked at in this turn is held until its end.
  await clock.settle();
  collect();
  return refs.filter((ref) => ref.deref() !== undefined).length;
}

it('a storage whose unsettled orders cannot be read is asked for ever in the same memory', async () => {
  const storage = new KeptStorage();
  storage.fate = (method) => (method === 'unsettled' ? 'rejects' : 'works');
  const processor = new OrderProcessor({ storage });
  const causes: WeakRef<object>[] = [];
  processor.on('error', ({ cause }) => void causes.push(new WeakRef(cause as object)));
  await clock.advance(100_000);
  expect(causes.length).toBeGreaterThan(20);
  expect(await countHeld(causes)).toBeLessThan(5);

  storage.fate = () => 'works';
  await clock.runAll();
  await processor.ready;
  await processor.shutdown();
});

it('a processor without references is garbage, even if its storage never answered', async () => {
  const processors: WeakRef<object>[] = [];
  for (const plan of fc.sample(scenario, { numRuns: 30, seed: 1 })) {
    const driver = new Driver(plan, clock);
    await driver.run();
    processors.push(...driver.processes.map(({ processor }) => new WeakRef(processor)));
  }
  expect(processors.length).toBeGreaterThan(60);
  // Some variable may still point into the scenario that was played last.
  expect(await countHeld(processors)).toBeLessThan(10);
});
