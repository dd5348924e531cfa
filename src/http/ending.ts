import type { OrderOutcome } from '../outcome.ts';
import { onAbort } from '../signals.ts';

/** The end of the order that one request has handed in. */
export class Ending {
  #outcome: OrderOutcome | undefined;
  #wake = (): void => {};

  /** For `handIn`, which may call it before the request begins to wait. */
  readonly tell = (outcome: OrderOutcome): void => {
    this.#outcome ??= outcome;
    this.#wake();
  };

  /**
   * What the order has come to within a time, as long as none of the signals aborts; the order goes on.
   *
   * @param signals - of the client, and of the server
   */
  async within(ms: number, ...signals: readonly AbortSignal[]): Promise<OrderOutcome | undefined> {
    if (this.#outcome !== undefined || signals.some(({ aborted }) => aborted)) return this.#outcome;
    let giveBack: (() => void)[] = [];
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, ms);
      giveBack = signals.map((signal) => onAbort(signal, resolve));
    });
    clearTimeout(timer);
    for (const each of giveBack) each();
    return this.#outcome;
  }
}
