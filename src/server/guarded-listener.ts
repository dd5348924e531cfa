import { isThenable } from '../core/runtime/awaitable.ts';

/** A host's listener, whose own failure is nobody else's. */
export function contained<A extends readonly unknown[]>(
  listener: (...args: A) => unknown,
): (...args: A) => void {
  return (...args) => {
    try {
      const result = listener(...args);
      if (isThenable(result)) result.then(undefined, () => {});
    } catch {
      // It was told, and what it does of it is its own.
    }
  };
}
