import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isFull } from '../kit/full.ts';
import { checkScenarios } from '../kit/scenarios.ts';
import type { Faults } from '../kit/shared-database.ts';
import { TraceWitness } from '../kit/trace-witness.ts';
import { VirtualClock } from '../kit/virtual-clock.ts';
import { Driver } from './shared/driver.ts';
import { type Plan, scenario } from './shared/plan.ts';
import { verdict } from './shared/verdict.ts';

async function play(plan: Plan, clock: VirtualClock, faults: Faults = {}): Promise<string[]> {
  const driver = new Driver(plan, clock, faults);
  await driver.run();
  return verdict(driver);
}

// More than in CI: `RUNS=20000 npx vitest run test/properties/shared.property.test.ts`.
it('invariants 1, 3, 4, 5, 9 and 12 hold over processors that share a storage, whoever owns what when', {
  timeout: 3_600_000,
}, async () => {
  await checkScenarios(scenario, isFull ? 3_000 : 100, (plan, clock) => play(plan, clock));
});

// The model sees what it is there to see.
it.each<[string, Faults, RegExp]>([
  ['without the fence', { hasNoFence: true }, /invariant 12/],
  ['with notes of orders in any order', { hasNoOrder: true }, /invariant 1:.*(after|before)/],
  ['without what is held', { hidesHolds: true }, /invariant 1:.*in a lane that .* hold/],
])('%s the model finds what is broken', { timeout: 120_000 }, async (_name, faults, expected) => {
  const clock = new VirtualClock();
  const found = new Set<string>();
  for (const plan of fc.sample(scenario, { numRuns: 150, seed: 1 })) {
    clock.install();
    try {
      for (const each of await play(plan, clock, faults)) found.add(each);
    } finally {
      clock.uninstall();
    }
    if ([...found].some((each) => expected.test(each))) break;
  }
  expect([...found].join('\n')).toMatch(expected);
});

it('invariant 11: each operation is published once, at the processor that it belongs to', {
  timeout: 3_600_000,
}, async () => {
  await checkScenarios(scenario, isFull ? 3_000 : 30, async (plan, clock) => {
    using witness = new TraceWitness();
    return [...(await play(plan, clock)), ...witness.verdict()];
  });
});
