import { expect, it } from 'vitest';
import { WaitingTimes } from '../../../src/core/queue/waiting-times.ts';
import { range } from '../../kit/helpers.ts';

it('finds the oldest waiting time, however many came and went meanwhile', () => {
  const times = new WaitingTimes();
  times.add(0);
  for (const ms of range(100_000)) {
    times.add(ms + 1);
    times.remove(ms + 1);
  }
  expect(times.oldest).toBe(0);
  times.remove(0);
  expect(times.oldest).toBeUndefined();
});
