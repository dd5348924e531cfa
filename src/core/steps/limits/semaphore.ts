import { type Linked, LinkedList } from '../../collections/linked-list.ts';

/** A waiter for a permit. */
export interface Waiter extends Linked<Waiter> {
  /** Called when it has a permit. */
  admitted(): void;
}

/** A fixed number of permits, first come, first served. */
export class Semaphore {
  readonly #waiting = new LinkedList<Waiter>();
  #free: number;
  #isAdmitting = false;

  constructor(permits: number) {
    this.#free = permits;
  }

  /** Takes a permit and returns true, or lets the waiter wait for one. */
  acquire(waiter: Waiter): boolean {
    if (this.#free === 0) {
      this.#waiting.push(waiter);
      return false;
    }
    this.#free -= 1;
    return true;
  }

  /** Releases a permit: the first waiter gets it. */
  release(): void {
    this.#free += 1;
    // A loop and no recursion: a waiter that is admitted may release its permit at once, and many may wait.
    if (this.#isAdmitting) return;
    this.#isAdmitting = true;
    const waiting = this.#waiting;
    for (let next = waiting.head; next !== undefined && this.#free > 0; next = waiting.head) {
      waiting.remove(next);
      this.#free -= 1;
      next.admitted();
    }
    this.#isAdmitting = false;
  }

  /** Removes a waiter. */
  withdraw(waiter: Waiter): void {
    this.#waiting.remove(waiter);
  }
}
