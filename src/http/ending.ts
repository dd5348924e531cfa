import type { OrderOutcome } from '../outcome.ts';

/** The end of the order that one request has handed in. */
export class Ending {
  #outcome: OrderOutcome | undefined;
  #wake = (): void => {};

  /** For `handIn`, which may call it before the request begins to wait. */
  readonly tell = (outcome: OrderOutcome): void => {
    this.#outcome ??= outcome;
    this.#wake();
  };

  /** What the order has come to within a time, as long as the client is there; the order goes on. */
  async within({ signal }: Request, ms: number): Promise<OrderOutcome | undefined> {
    if (this.#outcome !== undefined || signal.aborted) return this.#outcome;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, ms);
      signal.addEventListener('abort', this.#wake);
    });
    clearTimeout(timer);
    signal.removeEventListener('abort', this.#wake);
    return this.#outcome;
  }
}
