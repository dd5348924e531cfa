/** What a promise comes to, or `undefined` if a signal aborts before; the result is ignored then. */
export function unlessAborted<T>(
  promise: PromiseLike<T>,
  signal: AbortSignal,
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const end = (): void => resolve(undefined);
    // Removed each time: the signal may exist as long as the process.
    const giveBack = (): void => signal.removeEventListener('abort', end);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end);
    promise.then(
      (value) => {
        giveBack();
        resolve(value);
      },
      (error) => {
        giveBack();
        reject(error);
      },
    );
  });
}
