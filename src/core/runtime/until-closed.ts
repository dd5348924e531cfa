/** How long a closed processor waits for an answer, in milliseconds. */
const graceMs = 1_000;

/**
 * Calls of a storage that are under way, and other waits for the host. A call that is never answered is given up when
 * the processor has closed (invariant 4).
 */
export class UntilClosed {
  readonly #open = new Set<() => void>();
  #isClosed = false;
  #hasGivenUp = false;

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** The answer; rejects if there is none and the processor has closed. */
  ask<T>(asked: PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const stop = this.whenClosed(() => {
        this.#hasGivenUp = true;
        reject(new Error('The storage did not answer'));
      });
      Promise.resolve(asked).then(resolve, reject).finally(stop);
    });
  }

  /**
   * Calls back when the processor has closed; if it has closed already, after `graceMs`. The returned function cancels
   * that.
   */
  whenClosed(giveUp: () => void): () => void {
    const timer = this.#isClosed ? setTimeout(giveUp, graceMs) : undefined;
    this.#open.add(giveUp);
    return () => {
      this.#open.delete(giveUp);
      clearTimeout(timer);
    };
  }

  /** The processor has closed. Returns whether it has given up an answer. */
  close(): boolean {
    this.#isClosed = true;
    for (const giveUp of this.#open) giveUp();
    return this.#hasGivenUp;
  }
}

/**
 * Reports that the storage has not answered in time.
 *
 * @returns a function that ends the watch
 */
export function watch(stalledAfterMs: number, report: (message: string) => void): () => void {
  const timer = setTimeout(
    () => report(`The storage has not answered for ${stalledAfterMs} ms`),
    stalledAfterMs,
  );
  return () => clearTimeout(timer);
}
