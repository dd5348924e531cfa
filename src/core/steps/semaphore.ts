import { type Linked, LinkedList } from '../collections/linked-list.ts';

/** Whoever wants a place. */
export interface Entrant extends Linked<Entrant> {
  /** A place has come free; the entrant has it from now on. */
  admitted(): void;
}

/** So many places, first come, first served. */
export class Semaphore {
  readonly #line = new LinkedList<Entrant>();
  #free: number;
  #isAdmitting = false;

  constructor(places: number) {
    this.#free = places;
  }

  /** Takes a place, or joins the line. */
  enter(entrant: Entrant): boolean {
    if (this.#free === 0) {
      this.#line.push(entrant);
      return false;
    }
    this.#free -= 1;
    return true;
  }

  /** Gives a place back, to whoever is first in line. */
  leave(): void {
    this.#free += 1;
    // Whoever is admitted may be done at once, and leave in turn: a loop, since the line may be long.
    if (this.#isAdmitting) return;
    this.#isAdmitting = true;
    for (let next = this.#line.head; next !== undefined && this.#free > 0; next = this.#line.head) {
      this.#line.remove(next);
      this.#free -= 1;
      next.admitted();
    }
    this.#isAdmitting = false;
  }

  /** Somebody in the line has given up. */
  withdraw(entrant: Entrant): void {
    this.#line.remove(entrant);
  }
}
