import { it } from 'vitest';
import { isFull } from '../kit/full.ts';
import { checkScenarios } from '../kit/scenarios.ts';
import { TraceWitness } from '../kit/trace-witness.ts';
import { Driver } from './model/driver.ts';
import { scenario } from './model/plan.ts';
import { verdict } from './model/verdict.ts';

// More than in CI: `RUNS=200000 npx vitest run test/properties/model.property.test.ts`.
it('invariants 1 to 6, 8 and 10 hold for random mixes of everything', {
  timeout: 3_600_000,
}, async () => {
  await checkScenarios(scenario, isFull ? 12_000 : 800, async (plan, clock) => {
    clock.msPerReading = plan.msPerReading;
    const driver = new Driver(plan, clock);
    await driver.run();
    return verdict(driver, plan);
  });
});

it('invariant 11: each operation of random mixes of everything is published once', {
  timeout: 3_600_000,
}, async () => {
  await checkScenarios(scenario, isFull ? 5_000 : 40, async (plan, clock) => {
    using witness = new TraceWitness();
    clock.msPerReading = plan.msPerReading;
    const driver = new Driver(plan, clock);
    await driver.run();
    return [...(await verdict(driver, plan)), ...witness.verdict()];
  });
});
