import { isThenable } from '../core/runtime/awaitable.ts';

/** Calls a host's listener, and ignores what it throws or rejects with. */
export function guardedListener<A extends readonly unknown[]>(
  listener: (...args: A) => unknown,
): (...args: A) => void {
  return (...args) => {
    try {
      const result = listener(...args);
      if (isThenable(result)) result.then(undefined, () => {});
    } catch {
      // The listener is where errors are reported.
    }
  };
}
