/**
 * A value, or a promise of it.
 *
 * @category For authors of storages
 */
export type Awaitable<T> = T | PromiseLike<T>;

/**
 * Makes a plain promise of a thenable, which may throw, call back twice or call back at once. A plain promise is
 * returned as it is. A promise with a `then` of its own counts as a thenable.
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
