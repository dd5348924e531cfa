import fc from 'fast-check';
import { expect } from 'vitest';
import { runsOf } from './seed.ts';
import { VirtualClock } from './virtual-clock.ts';

const unhandled: unknown[] = [];
const hear = (reason: unknown): void => void unhandled.push(reason);

/**
 * Plays random scenarios, each on a virtual clock of its own, and wants none of them to give anything
 * that is wrong, to leave a timer or to leave a rejection unhandled.
 *
 * @param runs - how many; `RUNS` in the environment overrules it
 * @param play - gives everything that is wrong
 */
export async function checkScenarios<T>(
  scenario: fc.Arbitrary<T>,
  runs: number,
  play: (plan: T, clock: VirtualClock) => Promise<string[]>,
): Promise<void> {
  const clock = new VirtualClock();
  const { stackTraceLimit } = Error;
  const property = fc.asyncProperty(scenario, async (plan) => {
    clock.install();
    // The stack is most of what an error costs, and is needed only when a failure is played again.
    if (process.env.REPLAY === undefined) Error.stackTraceLimit = 0;
    try {
      const wrong = await play(plan, clock);
      for (const reason of unhandled.splice(0)) wrong.push(`invariant 8: unhandled: ${reason}`);
      if (clock.timers > 0) wrong.push(`${clock.timers} timers are left`);
      expect(wrong).toEqual([]);
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
      clock.uninstall();
    }
  });
  process.on('unhandledRejection', hear);
  try {
    await fc.assert(property, { numRuns: runsOf(runs) });
  } finally {
    process.off('unhandledRejection', hear);
  }
}
