/** Random runs: every span that starts ends once, in the right place, and no context leaks between orders. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isFull } from '../kit/full.ts';
import { KeptStorage } from '../kit/kept-storage.ts';
import { seed } from '../kit/seed.ts';
import { plans, plansWithKill, play } from './random-runs.ts';
import { faultsOf } from './span-faults.ts';
import { useContextManager } from './traced-process.ts';

useContextManager();

const kinds = {
  'in memory': () => undefined,
  'in a storage that keeps orders, over restarts': () => new KeptStorage(),
};

it.each(Object.entries(kinds))(
  'invariants 1, 3 and 11, %s: spans are as the orders went',
  async (_, storageOf) => {
    await fc.assert(
      fc.asyncProperty(plans, async (plan) => {
        expect(faultsOf(await play(plan, storageOf()))).toEqual([]);
      }),
      { numRuns: isFull ? 1_000 : 15 },
    );
  },
  isFull ? 300_000 : 20_000,
);

it.runIf(isFull)(
  'invariant 9: so are they where the process was killed',
  async () => {
    // Beside each other: each waits for a storage that is silent.
    const sample = fc.sample(plansWithKill, { numRuns: 300, seed });
    const faults = sample.map(async (plan) => {
      const found = faultsOf(await play(plan, new KeptStorage()));
      return found.map((fault) => `${fault} in ${JSON.stringify(plan)}`);
    });
    expect((await Promise.all(faults)).flat()).toEqual([]);
  },
  120_000,
);
