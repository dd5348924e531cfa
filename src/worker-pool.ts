import { AsyncResource } from 'node:async_hooks';
import PQueue from 'p-queue';

/**
 * Up to `concurrency` workers on p-queue. A worker is one run of `work`, which goes on until it finds
 * nothing more to do; so p-queue is asked once for a run and not once for an order.
 */
export class WorkerPool {
  readonly #queue: PQueue;
  readonly #work: () => Promise<void>;
  readonly #failed: (error: unknown) => void;
  // p-queue runs a task in the async context of its `add`, which is that of some order's caller.
  readonly #scope = new AsyncResource('OrderProcessor', { requireManualDestroy: true });
  #workers = 0;

  /**
   * @param work - must count itself out through {@link leave} in the same breath in which it finds
   *   nothing to do: an order that comes between that and the end of its promise needs a new worker
   * @param failed - hears what `work` throws, which it should not
   */
  constructor(concurrency: number, work: () => Promise<void>, failed: (error: unknown) => void) {
    this.#queue = new PQueue({ concurrency });
    this.#work = work;
    this.#failed = failed;
  }

  /** Puts so many more workers to work, as far as `concurrency` allows. */
  wake(more: number): void {
    const workers = Math.min(this.#workers + more, this.#queue.concurrency);
    while (this.#workers < workers) {
      this.#workers += 1;
      // A worker begins in a microtask, never inside the caller's `submit`.
      this.#scope.runInAsyncScope(() => {
        this.#queue
          .add(() => Promise.resolve().then(this.#work))
          .catch((error: unknown) => {
            this.#workers -= 1;
            this.#failed(error);
          });
      });
    }
  }

  /** A worker is about to end. */
  leave(): void {
    this.#workers -= 1;
  }
}
