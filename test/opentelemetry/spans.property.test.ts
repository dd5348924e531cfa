/** Random runs: every span that starts ends once, in the right place, and no context leaks between orders. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isFull } from '../kit/full.ts';
import { KeptStorage } from '../kit/kept-storage.ts';
import { faultsOf, plans, play } from './random-runs.ts';
import { useContextManager } from './traced-process.ts';

useContextManager();

const kinds = {
  'in memory': () => undefined,
  'in a storage that keeps orders': () => new KeptStorage(),
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
