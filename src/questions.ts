/** How long a closed processor waits for an answer, in milliseconds. */
const patienceMs = 1_000;

/**
 * Questions to a storage that are under way. One that is never answered is given up when the processor
 * has closed (invariant 4).
 */
export class Questions {
  readonly #open = new Set<() => void>();
  #isClosed = false;

  /** The answer; rejects if there is none and the processor has closed. */
  ask<T>(asked: PromiseLike<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => reject(new Error('The storage did not answer'));
      const timer = this.#isClosed ? setTimeout(giveUp, patienceMs) : undefined;
      this.#open.add(giveUp);
      Promise.resolve(asked)
        .then(resolve, reject)
        .finally(() => {
          this.#open.delete(giveUp);
          clearTimeout(timer);
        });
    });
  }

  /** The processor has closed. */
  close(): void {
    this.#isClosed = true;
    for (const giveUp of this.#open) giveUp();
  }
}
