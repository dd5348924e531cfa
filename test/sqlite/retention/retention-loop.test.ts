/** Deleting gives way to orders, and comes to its turn all the same (invariant 7). */
import { beforeEach, expect, it, vi } from 'vitest';
import { RetentionLoop } from '../../../src/sqlite/retention/retention-loop.ts';
import type { RetainState } from '../../../src/sqlite/thread/codec.ts';

let now = 0;
const steps: number[] = [];
let isBusy = false;
let state: RetainState | Error = 'done';

function start(): RetentionLoop {
  return new RetentionLoop({
    step: async () => {
      steps.push(Date.now() - now);
      if (state instanceof Error) throw state;
      return state;
    },
    isBusy: () => isBusy,
  });
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  now = Date.now();
  steps.length = 0;
  [isBusy, state] = [false, 'done'];
  return () => vi.useRealTimers();
});

it('looks once a second whether there is something to delete, and goes on in steps with pauses', async () => {
  start();
  await vi.advanceTimersByTimeAsync(2_000);
  state = 'more';
  await vi.advanceTimersByTimeAsync(1_040);
  expect(steps).toEqual([1_000, 2_000, 3_000, 3_016, 3_032]);
});

it('invariant 7: gives way to calls that wait, but not for ever, and less while the file is far too large', async () => {
  start();
  [isBusy, state] = [true, 'more'];
  await vi.advanceTimersByTimeAsync(1_200);
  expect(steps).toEqual([1_048, 1_112, 1_176]);
  state = 'behind';
  await vi.advanceTimersByTimeAsync(70);
  expect(steps.slice(3)).toEqual([1_240, 1_256]);
});

it('tries a step that failed again, less and less often, and says so once', async () => {
  const warnings: string[] = [];
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation((text) => {
    warnings.push(String(text));
  });
  const loop = start();
  state = new Error('The disk is full');
  await vi.advanceTimersByTimeAsync(200_000);
  expect(steps).toEqual([1, 3, 7, 15, 31, 63, 123, 183].map((seconds) => seconds * 1_000));
  expect(warnings).toEqual([
    'Settled orders that are not to be kept could not be deleted: The disk is full',
  ]);
  state = 'done';
  await vi.advanceTimersByTimeAsync(45_000);
  expect(steps.slice(8)).toEqual([243_000, 244_000, 245_000]);
  warn.mockRestore();
  loop.close();
});

it('invariant 4: `close` ends it, also while a step is under way', async () => {
  const idle = start();
  idle.close();
  const running = start();
  vi.advanceTimersByTime(1_000);
  running.close();
  await vi.advanceTimersByTimeAsync(5_000);
  expect([steps, vi.getTimerCount()]).toEqual([[1_000], 0]);
});
