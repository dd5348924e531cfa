import { it, vi } from 'vitest';
import { isFull } from '../kit/full.ts';
import { checkScenarios } from '../kit/scenarios.ts';
import { TraceWitness } from '../kit/trace-witness.ts';
import { Driver } from './step-graphs/driver.ts';
import { scenario } from './step-graphs/plan.ts';
import { verdict } from './step-graphs/verdict.ts';

// More than in CI: `RUNS=200000 npx vitest run test/properties/steps.property.test.ts`.
it('invariants 1 to 4, 8 and 10 hold for random step graphs', { timeout: 3_600_000 }, async () => {
  // A compensation that fails after the `shutdown` event is one.
  vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  await checkScenarios(scenario, isFull ? 5_000 : 600, async (plan, clock) => {
    const driver = new Driver(plan, clock);
    await driver.run();
    return verdict(driver, plan);
  });
});

it('invariant 11: each operation of random step graphs is published once, in its own context', {
  timeout: 3_600_000,
}, async () => {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  await checkScenarios(scenario, isFull ? 5_000 : 40, async (plan, clock) => {
    using witness = new TraceWitness();
    const driver = new Driver(plan, clock, (steps) => witness.watch(steps));
    await driver.run();
    return [...(await verdict(driver, plan)), ...witness.verdict()];
  });
});
