import { expect, it } from 'vitest';
import { Clock } from '../src/clock.ts';

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

function inTimer(run: () => Promise<void>): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(run()), 0);
  });
}

it("has the host's timers and sockets come between any two turns", async () => {
  const log: string[] = [];
  const clock = new Clock();
  await inTimer(async () => {
    clock.read();
    const rounds = logRounds(log, 4);
    await clock.nextTurn();
    // Not in round 1, which comes before the timers that are due.
    log.push('second turn');
    await clock.nextTurn();
    log.push('third turn');
    await rounds;
  });
  expect(log).toEqual(['round 1', 'round 2', 'second turn', 'round 3', 'third turn', 'round 4']);
});

it('tells apart a turn of its own and a later one that a timer began', async () => {
  const log: string[] = [];
  const clock = new Clock();
  await inTimer(async () => {
    clock.read();
    await clock.nextTurn();
  });
  await new Promise((resolve) => setTimeout(resolve, 5));
  await inTimer(async () => {
    clock.read();
    const rounds = logRounds(log, 2);
    await clock.nextTurn();
    log.push('turn');
    await rounds;
  });
  expect(log).toEqual(['round 1', 'round 2', 'turn']);
});
