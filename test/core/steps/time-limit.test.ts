import { afterEach, expect, it, vi } from 'vitest';
import { Clock } from '../../../src/core/runtime/clock.ts';
import { TimeLimit } from '../../../src/core/steps/limits/time-limit.ts';

afterEach(() => {
  vi.useRealTimers();
});

it('invariant 6: what begins in one millisecond shares a timer, which goes with the last of them', async () => {
  vi.useRealTimers();
  const expired: string[] = [];
  const clock = new Clock();
  clock.read();
  const limit = new TimeLimit<string>(5, clock, (owner) => void expired.push(owner));
  const first = limit.begin('first');
  const second = limit.begin('second');
  const third = limit.begin('third');
  expect(second.group).toBe(first.group);
  second.end();
  second.end();
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(expired).toEqual(['first', 'third']);
  expect(third.group).toBeUndefined();
});

it('time that a test lets pass counts for each by itself', () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const expired: string[] = [];
  const clock = new Clock();
  clock.read();
  const limit = new TimeLimit<string>(60_000, clock, (owner) => void expired.push(owner));
  limit.begin('first');
  vi.advanceTimersByTime(30_000);
  limit.begin('second');
  vi.advanceTimersByTime(30_000);
  expect(expired).toEqual(['first']);
  vi.advanceTimersByTime(30_000);
  expect(expired).toEqual(['first', 'second']);
});
