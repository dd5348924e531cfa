import type { SharedPage } from '../../core/storage/shared-storage.ts';
import type { OrderReader } from './order-reader.ts';

/** The unsettled orders that the processor is given, over all of its lives. */
export class OrderStream {
  /** Of the life that there is. */
  #reader: OrderReader | undefined;
  /** Whether the partitions are owned that are read first. */
  readonly #hasShare: () => boolean;
  /** How often `orders` was called: only the newest call goes on. */
  #run = 0;
  #isReading: Promise<void> = Promise.resolve();
  #isAwake = false;
  #wake: (() => void) | undefined;
  #isClosed = false;

  constructor(hasShare: () => boolean) {
    this.#hasShare = hasShare;
  }

  /** A life begins or ends. */
  use(reader: OrderReader | undefined): void {
    this.#reader = reader;
    this.wake();
  }

  /** There may be something to read. */
  readonly wake = (): void => {
    this.#isAwake = true;
    this.#wake?.();
  };

  close(): void {
    this.#isClosed = true;
    this.wake();
  }

  /**
   * Pulled: nothing is read before the next page is asked for.
   *
   * @throws the error of a read that failed while the life goes on
   */
  async *orders(): AsyncGenerator<SharedPage, void, undefined> {
    this.#run += 1;
    const run = this.#run;
    this.wake();
    await this.#isReading.catch(() => {});
    this.#reader?.restart();
    for (let isCaughtUp = false; !this.#isClosed && run === this.#run; ) {
      this.#isAwake = false;
      const reader = this.#reader;
      const page = reader?.next();
      if (page !== undefined) {
        yield page;
      } else if (reader?.hasWork) {
        await this.#read(reader);
      } else if (!isCaughtUp && reader?.isCaughtUp && this.#hasShare()) {
        isCaughtUp = true;
        yield { orders: [], isCaughtUp };
      } else if (!this.#isAwake) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  async #read(reader: OrderReader): Promise<void> {
    this.#isReading = reader.read();
    try {
      await this.#isReading;
    } catch (error) {
      // A new life reads all anew.
      if (reader === this.#reader) throw error;
    }
  }
}
