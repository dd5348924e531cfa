import { performance } from 'node:perf_hooks';

/**
 * The functions of time as they were when the library was loaded. With them the library measures durations and lets
 * the event loop have its turns, so it goes on where a test has replaced the global ones by fake timers. The time
 * limits that a user sets take the global timers of the moment: a test can let those pass.
 */
export const systemTime = {
  /** Monotonic milliseconds. */
  now: performance.now.bind(performance) as () => number,
  setImmediate: globalThis.setImmediate as (task: () => void) => unknown,
  queueMicrotask: globalThis.queueMicrotask,
  nextTick: process.nextTick.bind(process) as (task: () => void) => void,
};
