import type { OrderError } from '../order/order-error.ts';

/** How long after a failure the storage is asked whether it works again, in milliseconds. */
const pauseMs = { first: 10, most: 5_000 } as const;

/** How often a balance is asked for before the steps of an order; after that the storage decides when it settles. */
const mostQuestions = 3;

export interface AvailabilityListener {
  /** The storage takes no orders and no outcomes. */
  interrupted(error: OrderError): void;
  /** The storage can keep orders again. */
  restored(): void;
}

/**
 * Whether the storage takes orders and outcomes. After a call has failed, it is asked, with pauses that double, until
 * it answers that it works. Until then nothing else is given to it (invariant 10).
 */
export class Availability {
  /** Why the storage takes no orders now. */
  failure: OrderError | undefined;
  readonly #ask: () => Promise<unknown>;
  readonly #listener: AvailabilityListener;
  #pauseMs: number = pauseMs.first;
  #timer: NodeJS.Timeout | undefined;
  #restoredAt = 0;
  #isClosed = false;
  readonly #waiting: (() => void)[] = [];
  readonly #pauses = new Set<() => void>();

  /** @param ask - rejects if the storage takes nothing */
  constructor(ask: () => Promise<unknown>, listener: AvailabilityListener) {
    this.#ask = ask;
    this.#listener = listener;
  }

  /** A call has failed. */
  failed(error: OrderError): void {
    if (this.#isClosed || this.failure !== undefined) return;
    this.failure = error;
    // Keeps the pause for a storage that answers that it works, and then fails at once.
    if (performance.now() - this.#restoredAt > pauseMs.most) this.#pauseMs = pauseMs.first;
    this.#askLater();
    this.#listener.interrupted(error);
  }

  /** Resolves when the storage works, or when it is asked no more. */
  whenAvailable(): Promise<void> {
    if (this.failure === undefined || this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /**
   * Resolves after a pause, or when the storage is asked no more.
   *
   * @param attempt - how many there were; the pause doubles with each
   */
  pause(attempt: number): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#pauses.delete(end);
        resolve();
      };
      const ms = Math.min(pauseMs.first * 2 ** (attempt - 1), pauseMs.most);
      const timer = setTimeout(end, ms);
      this.#pauses.add(end);
    });
  }

  /** A question about one order has failed. Resolves, after a pause, with whether to ask once more. */
  async mayAskAgain(attempt: number): Promise<boolean> {
    if (attempt > mostQuestions) return false;
    await this.pause(attempt);
    return !this.#isClosed;
  }

  /** Asks no more: the processor has shut down. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const end of this.#pauses) end();
    this.#wake();
  }

  #askLater(): void {
    this.#timer = setTimeout(() => this.#askNow(), this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, pauseMs.most);
  }

  #askNow(): void {
    // A question without an answer is asked again; the first answer may come late.
    const timer = setTimeout(() => this.#askLater(), pauseMs.most);
    this.#timer = timer;
    this.#ask().then(
      () => {
        if (!this.#isClosed && this.failure !== undefined) this.#restore();
      },
      () => {
        if (this.#isClosed || this.#timer !== timer) return;
        clearTimeout(timer);
        this.#askLater();
      },
    );
  }

  #restore(): void {
    clearTimeout(this.#timer);
    this.failure = undefined;
    this.#restoredAt = performance.now();
    this.#listener.restored();
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
