import type { OrderOutcome } from '../../core/order/outcome.ts';

/** Waits for the outcome of the order that one request has handed in. */
export class OutcomeWait {
  #outcome: OrderOutcome | undefined;
  #wake = (): void => {};

  /** For `handIn`, which may call it before the request begins to wait. */
  readonly settle = (outcome: OrderOutcome): void => {
    this.#outcome ??= outcome;
    this.#wake();
  };

  /**
   * Resolves with the outcome, or with `undefined` after a time or when a signal aborts. The order goes on.
   *
   * @param signals - of the client, and of the server
   */
  async within(ms: number, ...signals: readonly AbortSignal[]): Promise<OrderOutcome | undefined> {
    if (this.#outcome !== undefined || signals.some(({ aborted }) => aborted)) return this.#outcome;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, ms);
      for (const signal of signals) signal.addEventListener('abort', this.#wake);
    });
    clearTimeout(timer);
    for (const signal of signals) signal.removeEventListener('abort', this.#wake);
    return this.#outcome;
  }
}
