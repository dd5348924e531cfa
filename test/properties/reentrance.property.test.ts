/** Invariants 1, 3, 4, 6, 8 and 9 where the host's code calls the processor from inside what the processor calls. */
import fc from 'fast-check';
import type { ShutdownSummary } from 'order-processor';
import { expect, it } from 'vitest';
import { isFull } from '../kit/full.ts';
import { range } from '../kit/helpers.ts';
import { randomFrom } from '../kit/random.ts';
import { runsOf } from '../kit/seed.ts';
import { useVirtualClock } from '../kit/virtual-clock.ts';
import type { Dice, Traits } from './reentrance/host.ts';
import { Life } from './reentrance/life.ts';
import {
  nextStart,
  overtakings,
  pendingPromises,
  wrongCounts,
  wrongEvents,
} from './reentrance/verdict.ts';

const clock = useVirtualClock();

function diceOf(seed: number): Dice {
  const random = randomFrom(seed);
  return { pick: (n) => Math.floor(random() * n), chance: (share) => random() < share };
}

function traitsOf({ pick, chance }: Dice): Traits {
  return {
    storage: (['memory', 'kept', 'balances'] as const)[pick(3)] as Traits['storage'],
    isWild: chance(0.2),
    fails: chance(0.5),
    hangs: chance(0.6),
    hasSteps: chance(0.3),
    hasSchema: chance(0.15),
  };
}

async function run(seed: number): Promise<string[]> {
  const dice = diceOf(seed);
  const { pick, chance } = dice;
  const traits = traitsOf(dice);
  clock.msPerReading = chance(0.4) ? ([0.3, 1, 3][pick(3)] as number) : 0;
  const life = new Life(traits, dice, clock);
  await clock.settle();
  for (const _ of range(60)) {
    life.act();
    if (chance(0.2)) await clock.settle();
    if (chance(0.3)) await clock.advance(pick(6));
  }
  const drains = chance(0.5);
  if (drains) {
    life.resumeAll();
    await clock.advance(30_000);
  }
  let summary: ShutdownSummary | undefined;
  life.end(drains ? 1_000 : 1 + pick(50)).then((each) => {
    summary = each;
  });
  await clock.advance(60_000);
  await clock.settle();
  return [
    ...pendingPromises(life, summary),
    ...overtakings(life, traits),
    ...wrongEvents(life),
    ...wrongCounts(life, summary),
    ...(traits.storage === 'kept' ? await nextStart(life, clock) : []),
  ];
}

// More than in CI: `RUNS=100000 npx vitest run test/properties/reentrance.property.test.ts`.
it('invariants 1, 3, 4, 6, 8 and 9 hold while listeners, steps, storages and schemas call the processor', {
  timeout: 3_600_000,
}, async () => {
  const unhandled: unknown[] = [];
  const note = (error: unknown): number => unhandled.push(error);
  process.on('unhandledRejection', note);
  const numRuns = runsOf(isFull ? 3_000 : 200);
  try {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        clock.uninstall();
        clock.install();
        expect(await run(seed)).toEqual([]);
        expect(unhandled).toEqual([]);
      }),
      { numRuns },
    );
  } finally {
    process.off('unhandledRejection', note);
  }
});
