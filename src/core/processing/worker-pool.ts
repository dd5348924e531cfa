import { AsyncResource } from 'node:async_hooks';
import PQueue from 'p-queue';

/**
 * Up to `concurrency` workers on p-queue. A worker is one task of p-queue, which works until it finds nothing more
 * to do and then waits to be woken: so p-queue is asked once for a worker and not once for an order, and it needs
 * no `queueMicrotask` to replace a worker that has ended, which a test's fake timers would hold back.
 */
export class WorkerPool {
  readonly #queue: PQueue;
  readonly #work: () => Promise<void>;
  readonly #failed: (error: unknown) => void;
  // p-queue runs a task in the async context of its `add`, which belongs to some order's caller.
  readonly #scope = new AsyncResource('OrderProcessor', { requireManualDestroy: true });
  /** Wakes the workers that wait for something to do. */
  readonly #idle: (() => void)[] = [];
  #workers = 0;
  #isClosed = false;

  /**
   * @param work - must resolve with the result of {@link leave}, called in the same call in which it finds nothing to
   *   do: an order that comes after that needs a worker @param failed - called with what `work` throws, which it should
   *   not
   */
  constructor(concurrency: number, work: () => Promise<void>, failed: (error: unknown) => void) {
    this.#queue = new PQueue({ concurrency });
    this.#work = work;
    this.#failed = failed;
  }

  /** Starts so many more workers, as far as `concurrency` allows. */
  wake(more: number): void {
    const workers = Math.min(this.#workers + more, this.#queue.concurrency);
    while (this.#workers < workers) {
      this.#workers += 1;
      const wakeIdle = this.#idle.pop();
      if (wakeIdle === undefined) this.#start();
      else wakeIdle();
    }
  }

  /** A worker has nothing to do; resolves when it has again. */
  leave(): Promise<void> {
    this.#workers -= 1;
    if (this.#isClosed) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** The processor has closed: workers that have nothing to do end. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const end of this.#idle.splice(0)) end();
    this.#scope.emitDestroy();
  }

  /** A worker begins in a microtask, never inside the caller's `submit`. */
  #start(): void {
    this.#scope.runInAsyncScope(() => {
      this.#queue
        .add(() => Promise.resolve().then(() => this.#live()))
        .catch((error: unknown) => {
          this.#workers -= 1;
          this.#failed(error);
        });
    });
  }

  async #live(): Promise<void> {
    do await this.#work();
    while (!this.#isClosed);
  }
}
