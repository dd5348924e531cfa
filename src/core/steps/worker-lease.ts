/** Whether a run has a worker, gives it back, and wants it again. */
export class WorkerLease {
  holds = true;
  #wants = false;
  #free: (() => void) | undefined = undefined;

  /** Resolves when the worker is given back. */
  freed(): Promise<void> {
    return new Promise((resolve) => {
      this.#free = resolve;
    });
  }

  free(): void {
    this.holds = false;
    this.#free?.();
  }

  /** Asks for a worker; false if that was done. */
  want(): boolean {
    if (this.#wants) return false;
    this.#wants = true;
    return true;
  }

  /** There is nothing left to do with one. */
  renounce(): void {
    this.#wants = false;
  }

  /** There is a worker; false if it is wanted no more. */
  regain(): boolean {
    if (!this.#wants) return false;
    this.#wants = false;
    this.holds = true;
    return true;
  }
}
