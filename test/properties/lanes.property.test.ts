/** Lanes, times and money together, in a storage that fails at times, over shutdowns and kills. */
import { it } from 'vitest';
import { isFull } from '../kit/full.ts';
import { checkScenarios } from '../kit/scenarios.ts';
import { plan } from './lanes/plan.ts';
import { World } from './lanes/world.ts';

// More than in CI: `RUNS=100000 npx vitest run test/properties/lanes.property.test.ts`. A failure prints its seed for `SEED=…`.
it('invariants 1, 3, 4, 8 to 11: orders that hold their lanes, wait for their time, expire, are canceled and come again end once, in their turn', {
  timeout: 3_600_000,
}, async () => {
  const runs = isFull ? 1_000 : 30;
  await checkScenarios(plan, runs, (each, clock) => new World(each, clock).run());
});
