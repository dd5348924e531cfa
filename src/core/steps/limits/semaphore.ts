import { type Linked, LinkedList } from '../../collections/linked-list.ts';

/** What waits for a permit. */
export interface Waiter extends Linked<Waiter> {
  /** It has a permit from now on. */
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

  /** Takes a permit, and gives true, or lets the waiter wait for one. */
  acquire(waiter: Waiter): boolean {
    if (this.#free === 0) {
      this.#waiting.push(waiter);
      return false;
    }
    this.#free -= 1;
    return true;
  }

  /** Gives a permit back: the first that waits has it next. */
  release(): void {
    this.#free += 1;
    // One that is admitted may be done at once, and release in turn: a loop, since many may wait.
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

  /** The waiter does not wait any more. */
  withdraw(waiter: Waiter): void {
    this.#waiting.remove(waiter);
  }
}
