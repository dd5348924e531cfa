import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Driver } from './step-graphs/driver.ts';
import { scenario } from './step-graphs/plan.ts';
import { verdict } from './step-graphs/verdict.ts';
import { VirtualClock } from './virtual-clock.ts';

/** More than in CI: `RUNS=200000 npx vitest run test/steps.property.test.ts`. */
const runs = Number(process.env.RUNS ?? 5_000);
/** `SEED` and `REPLAY`, the path, of a failure's report run it again. */
const replay = { seed: process.env.SEED, path: process.env.REPLAY };

const unhandled: unknown[] = [];
const hear = (reason: unknown): void => void unhandled.push(reason);
beforeAll(() => void process.on('unhandledRejection', hear));
afterAll(() => void process.off('unhandledRejection', hear));

it('invariants 1 to 4, 8 and 10 hold for random step graphs', { timeout: 3_600_000 }, async () => {
  const clock = new VirtualClock();
  const property = fc.asyncProperty(scenario, async (plan) => {
    clock.install();
    try {
      const driver = new Driver(plan, clock);
      await driver.run();
      const wrong = await verdict(driver, plan);
      for (const reason of unhandled.splice(0)) wrong.push(`invariant 8: unhandled: ${reason}`);
      if (clock.timers > 0) wrong.push(`${clock.timers} timers are left`);
      expect(wrong).toEqual([]);
    } finally {
      clock.uninstall();
    }
  });
  await fc.assert(property, {
    numRuns: runs,
    ...(replay.seed === undefined ? {} : { seed: Number(replay.seed) }),
    ...(replay.path === undefined ? {} : { path: replay.path }),
  });
});
