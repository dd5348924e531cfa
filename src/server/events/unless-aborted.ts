/** What a promise comes to, or `undefined` if a signal aborts before; then that is nobody's. */
export function unlessAborted<T>(
  promise: PromiseLike<T>,
  signal: AbortSignal,
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const end = (): void => resolve(undefined);
    // Given back each time: the signal may live as long as the process.
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
