import { performance } from 'node:perf_hooks';

/** So many orders go into one call of a storage that takes its time. */
export const callBatch = 1_024;

/** A smaller call is not worth a disk's time. */
const smallCall = 64;

/** How often it is looked whether the event loop is busy, in milliseconds. */
const lookMs = 20;

/**
 * How many of the orders that have gathered go into the next call of a storage that keeps them.
 *
 * All of them, while the event loop mostly waits for the storage: a large transaction costs less per order.
 * But where the loop has more to do than the storage, as with callers from the network, they would all come
 * back at once, so that storage and loop would wait for each other in turn. Then it is half of those that are
 * under way, and both work at once.
 */
export class CallSize {
  #last = 0;
  #isBusy = false;
  #lookedAt = 0;
  #utilization = performance.eventLoopUtilization();

  /** @param now - on the processor's clock */
  next(gathered: number, now: number): number {
    if (now - this.#lookedAt >= lookMs) this.#look(now);
    const half = Math.max(smallCall, Math.ceil((gathered + this.#last) / 2));
    this.#last = Math.min(gathered, callBatch, this.#isBusy ? half : callBatch);
    return this.#last;
  }

  #look(now: number): void {
    const { utilization } = performance.eventLoopUtilization(this.#utilization);
    this.#isBusy = utilization > 0.5;
    this.#utilization = performance.eventLoopUtilization();
    this.#lookedAt = now;
  }
}
