/** A bank of 1 000 accounts: what is moved among them is neither made nor lost. */
import { it } from 'vitest';
import { isFull } from '../kit/full.ts';
import { checkScenarios } from '../kit/scenarios.ts';
import { Bank } from './bank/bank.ts';
import { plan } from './bank/plan.ts';

// More than in CI: `RUNS=100000 npx vitest run test/properties/bank.property.test.ts`.
it('invariants 3, 4, 5, 9: all accounts together have what came from outside, at any moment, over kills, holds, retries and delays', {
  timeout: 3_600_000,
}, async () => {
  await checkScenarios(plan, isFull ? 1_000 : 30, (each, clock) => new Bank(each, clock).run());
});
