import { Fifo } from '../../core/collections/fifo.ts';

/** Runs a bounded number of functions at a time; the others wait in order. */
export class ConcurrencyLimit {
  readonly #most: number;
  readonly #waiting = new Fifo<() => void>();
  #running = 0;
  #isPaused = false;
  /** Resolves when none runs. */
  #whenIdle: (() => void) | undefined;

  /** @param most - how many run at a time */
  constructor(most: number) {
    this.#most = most;
  }

  async run<T>(start: () => Promise<T>): Promise<T> {
    if (this.#isPaused || this.#running >= this.#most) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#running += 1;
    try {
      return await start();
    } finally {
      this.#running -= 1;
      this.#startNext();
    }
  }

  /** Starts none until `resume`. Resolves when none runs. */
  async pause(): Promise<void> {
    this.#isPaused = true;
    if (this.#running === 0) return;
    await new Promise<void>((resolve) => {
      this.#whenIdle = resolve;
    });
  }

  resume(): void {
    this.#isPaused = false;
    this.#startNext();
  }

  #startNext(): void {
    while (!this.#isPaused && this.#running < this.#most && !this.#waiting.isEmpty) {
      this.#running += 1;
      this.#waiting.shift()?.();
    }
    if (this.#running > 0) return;
    this.#whenIdle?.();
    this.#whenIdle = undefined;
  }
}
