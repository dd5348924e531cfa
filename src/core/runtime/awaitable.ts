/** A value, or a promise of it. */
export type Awaitable<T> = T | PromiseLike<T>;

/**
 * A promise that can be believed, of a thenable that may throw, call back twice or at once. A plain
 * promise is one; any other, be it a promise with a `then` of its own, is resolved into one.
 */
export function asPromise<T>(thenable: PromiseLike<T>): Promise<T> {
  const isPlain =
    Object.getPrototypeOf(thenable) === Promise.prototype &&
    !Object.hasOwn(thenable, 'then') &&
    !Object.hasOwn(thenable, 'constructor');
  return isPlain ? (thenable as Promise<T>) : new Promise((resolve) => resolve(thenable));
}

/** Whether a value must be awaited. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}
