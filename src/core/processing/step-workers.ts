import { AsyncResource } from 'node:async_hooks';
import type { Clock } from '../runtime/clock.ts';
import type { Worker } from '../steps/run/run-observer.ts';

/** Gives a worker something to do. */
interface Source {
  /** False if there is nothing to do. */
  begin(worker: Worker): boolean;
}

/** A worker of the pool while it has orders to run; a run holds it until it frees it. */
class StepWorker implements Worker {
  readonly #workers: StepWorkers;
  /** There is nothing to do. */
  readonly leave: () => void;
  readonly fail: (cause: unknown) => void;

  constructor(workers: StepWorkers, leave: () => void, fail: (cause: unknown) => void) {
    this.#workers = workers;
    this.leave = leave;
    this.fail = fail;
  }

  completed(): void {
    this.#workers.goOn(this);
  }

  free(): void {
    this.#workers.goOnSoon(this);
  }
}

/** Workers that run orders with steps. One whose order has completed begins its next one in the same call. */
export class StepWorkers {
  readonly #clock: Clock;
  readonly #source: Source;
  /** A worker is freed in the async context of the order that it ran; its next order must not see that context. */
  readonly #scope = new AsyncResource('OrderProcessor', { requireManualDestroy: true });
  readonly #free: StepWorker[] = [];
  #isBeginning = false;
  readonly #beginAll = (): void => this.#begin();

  constructor(clock: Clock, source: Source) {
    this.#clock = clock;
    this.#source = source;
  }

  /**
   * Puts a worker to work.
   *
   * @param leave - called in the same call in which nothing is left to do
   */
  work<T>(leave: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.goOn(new StepWorker(this, () => resolve(leave()), reject));
    });
  }

  goOn(worker: StepWorker): void {
    this.#free.push(worker);
    this.#beginFree();
  }

  /**
   * The same after this call: an order that is canceled, perhaps among others, must not begin one that is canceled
   * next.
   */
  goOnSoon(worker: StepWorker): void {
    this.#free.push(worker);
    if (!this.#isBeginning) Promise.resolve().then(() => this.#beginFree());
  }

  /** The processor has closed. */
  close(): void {
    this.#scope.emitDestroy();
  }

  #beginFree(): void {
    // An order whose steps return at once frees its worker while it begins: a loop, since many may do so.
    if (this.#isBeginning) return;
    this.#isBeginning = true;
    this.#scope.runInAsyncScope(this.#beginAll);
  }

  #begin(): void {
    for (let worker = this.#free.pop(); worker !== undefined; worker = this.#free.pop()) {
      if (!this.#clock.hasTime()) {
        this.#free.push(worker);
        this.#clock.nextSlice().then(this.#beginAll);
        return;
      }
      try {
        if (!this.#source.begin(worker)) worker.leave();
      } catch (cause) {
        worker.fail(cause);
      }
    }
    this.#isBeginning = false;
  }
}
