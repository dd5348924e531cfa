import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ServerClock } from '../../../src/postgres/sessions/server-clock.ts';

let machineAt = 1_000_000;
beforeEach(() => {
  machineAt = 1_000_000;
  vi.spyOn(Date, 'now').mockImplementation(() => machineAt);
});
afterEach(() => vi.restoreAllMocks());

/** A question that is `thereMs` under way, its answer `backMs`. */
function ask(clock: ServerClock, aheadMs: number, thereMs: number, backMs: number): void {
  const askedAt = machineAt;
  machineAt += thereMs;
  const serverAt = machineAt + aheadMs;
  machineAt += backMs;
  clock.answered(askedAt, serverAt);
}

it('is the machine’s own as long as both may agree', () => {
  const clock = new ServerClock();
  for (const [thereMs, backMs] of [
    [0, 0],
    [3, 900],
    [900, 3],
  ] as const) {
    ask(clock, 0, thereMs, backMs);
    expect(clock.aheadMs).toBe(0);
  }
  ask(clock, 20, 15, 30);
  expect([clock.aheadMs, clock.now()]).toEqual([0, machineAt]);
});

it('differs by half a round trip at most, less with each shorter one, and a long one changes nothing', () => {
  const clock = new ServerClock();
  ask(clock, 3_600_000, 0, 200);
  expect(clock.aheadMs).toBe(3_600_000 - 100);
  ask(clock, 3_600_000, 2, 4);
  expect(clock.aheadMs).toBe(3_600_000 - 1);
  ask(clock, 3_600_000, 4_000, 2);
  ask(clock, 3_600_000, 2, 4_000);
  expect(clock.aheadMs).toBe(3_600_000 - 1);
});

it('follows where either clock is set', () => {
  const clock = new ServerClock();
  ask(clock, -7_000, 1, 1);
  expect(clock.aheadMs).toBe(-7_000);
  ask(clock, 0, 1, 1);
  expect(clock.aheadMs).toBe(0);
});

it('goes by what the machine’s clock says after it was set between question and answer', () => {
  const clock = new ServerClock();
  const askedAt = machineAt;
  const serverAt = machineAt + 5;
  machineAt -= 3_600_000 - 10;
  clock.answered(askedAt, serverAt);
  expect(clock.now()).toBe(serverAt);
  machineAt += 3_600_000;
  ask(clock, 0, 1, 1);
  expect(clock.aheadMs).toBe(0);
});
