import { it } from 'vitest';
import { isFull } from '../kit/full.ts';
import { Driver } from '../kit/kept/driver.ts';
import { scenario } from '../kit/kept/plan.ts';
import { verdict } from '../kit/kept/verdict.ts';
import { checkScenarios } from '../kit/scenarios.ts';

// More than in CI: `RUNS=200000 npx vitest run test/properties/kept.property.test.ts`.
it('invariants 1, 3 to 6 and 8 to 10 hold over random processes, kills and failures of the storage', {
  timeout: 3_600_000,
}, async () => {
  await checkScenarios(scenario, isFull ? 2_500 : 350, async (plan, clock) => {
    clock.msPerReading = plan.msPerReading;
    const driver = new Driver(plan, clock);
    await driver.run();
    return verdict(driver);
  });
});
