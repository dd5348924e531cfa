/** How long a closed processor waits for an answer, in milliseconds. */
const patienceMs = 1_000;

/**
 * Questions to a storage that are under way, and others who wait for what the host may never give. One that is never answered is given up when the processor
 * has closed (invariant 4).
 */
export class UntilClosed {
  readonly #open = new Set<() => void>();
  #isClosed = false;

  /** The answer; rejects if there is none and the processor has closed. */
  ask<T>(asked: PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const takeBack = this.whenClosed(() => reject(new Error('The storage did not answer')));
      Promise.resolve(asked).then(resolve, reject).finally(takeBack);
    });
  }

  /** Calls back when the processor has closed, and where it has, in a moment; the result takes that back. */
  whenClosed(giveUp: () => void): () => void {
    const timer = this.#isClosed ? setTimeout(giveUp, patienceMs) : undefined;
    this.#open.add(giveUp);
    return () => {
      this.#open.delete(giveUp);
      clearTimeout(timer);
    };
  }

  /** The processor has closed. */
  close(): void {
    this.#isClosed = true;
    for (const giveUp of this.#open) giveUp();
  }
}

/**
 * Has somebody told if the storage has not answered in time.
 *
 * @returns ends the watch
 */
export function watch(stalledAfterMs: number, tell: (message: string) => void): () => void {
  const timer = setTimeout(
    () => tell(`The storage has not answered for ${stalledAfterMs} ms`),
    stalledAfterMs,
  );
  return () => clearTimeout(timer);
}
