import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Clock } from '../../../src/core/runtime/clock.ts';
import { systemTime } from '../../../src/core/runtime/system-time.ts';
import { range } from '../../kit/helpers.ts';

/** What the clock reads, and more than a slice. */
let now = 0;
const slice = 5;

beforeEach(() => {
  vi.spyOn(systemTime, 'now').mockImplementation(() => now);
  return () => vi.restoreAllMocks();
});

/** Logs which of the event loop's rounds of immediates it is, beginning with the next. */
function logRounds(log: string[], rounds: number, round = 1): Promise<void> {
  if (round > rounds) return Promise.resolve();
  return new Promise((resolve) => {
    setImmediate(() => {
      log.push(`round ${round}`);
      resolve(logRounds(log, rounds, round + 1));
    });
  });
}

function inTimer<T>(run: () => T | Promise<T>): Promise<T> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(run()), 1);
  });
}

/** A timer of 1 ms is due after this. */
function holdForTwoMs(): void {
  const end = process.hrtime.bigint() + 2_000_000n;
  while (process.hrtime.bigint() < end);
}

describe('between two slices', () => {
  it("the host's timers and sockets have their turn", async () => {
    const log: string[] = [];
    const clock = new Clock();
    await inTimer(async () => {
      clock.read();
      const rounds = logRounds(log, 4);
      await clock.nextTurn();
      // Not in round 1, which comes before the timers that fell due meanwhile.
      log.push('second slice');
      await clock.nextTurn();
      log.push('third slice');
      await rounds;
    });
    expect(log).toEqual([
      'round 1',
      'round 2',
      'second slice',
      'round 3',
      'third slice',
      'round 4',
    ]);
  });

  it('they have it too where a timer comes after a slice', async () => {
    const log: string[] = [];
    const clock = new Clock();
    await inTimer(() => clock.nextTurn());
    // In the timers of the same round of the event loop, when no immediate has come since.
    const inNextTimers = inTimer(async () => {
      const rounds = logRounds(log, 2);
      await clock.nextTurn();
      log.push('slice');
      await rounds;
    });
    holdForTwoMs();
    await inNextTimers;
    expect(log).toEqual(['round 1', 'round 2', 'slice']);
  });
});

it('a slice is whole, even if the host used time before it in the same round of the event loop', async () => {
  const clock = new Clock();
  let isOver = false;
  const host = (): void => {
    clock.read();
    now += slice;
    if (!isOver) setImmediate(host);
  };
  let wholeSlices = 0;
  await inTimer(async () => {
    clock.read();
    now += slice;
    setImmediate(() => setImmediate(host));
    for (const _ of range(10)) {
      await clock.nextTurn();
      if (clock.hasTime()) wholeSlices += 1;
    }
  });
  isOver = true;
  expect(wholeSlices).toBe(10);
});

it('works that use up every slice have it by turns', async () => {
  const log: string[] = [];
  const clock = new Clock();
  const work = async (name: string): Promise<void> => {
    for (let done = 0; done < 3; ) {
      await clock.nextSlice();
      if (!clock.hasTime()) continue;
      log.push(name);
      done += 1;
      now += slice;
    }
  };
  await Promise.all(['a', 'b', 'c'].map(work));
  expect(log.slice(0, 9).sort()).toEqual(['a', 'a', 'a', 'b', 'b', 'b', 'c', 'c', 'c']);
  for (const at of [0, 3, 6]) expect(new Set(log.slice(at, at + 3)).size).toBe(3);
});
