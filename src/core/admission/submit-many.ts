import type { Follower } from '../lifecycle/entry.ts';
import type { Job } from '../lifecycle/job.ts';
import { OrderError } from '../order/order-error.ts';
import type { OrderOutcome } from '../order/outcome.ts';
import type { Admission } from './admission.ts';
import { checkIterable } from './caller-options.ts';
import type { Entry } from './callers.ts';
import type { Overflow } from './capacity.ts';
import { handIn, refusalOf } from './tracing/hand-in.ts';

/** How many orders of a list an asynchronous schema may check at once; it keeps each user's orders in order. */
const mostChecked = 1_000;

/**
 * Has all orders of a list processed; resolves when each has its outcome, index-aligned. It rejects if the list itself
 * throws; the orders before that go on.
 */
export async function submitMany(
  admission: Admission,
  orders: Iterable<unknown>,
  overflow: Overflow,
): Promise<OrderOutcome[]> {
  try {
    checkIterable(orders, [Symbol.iterator]);
  } catch (error) {
    throw admission.refusalOf(error).error;
  }
  const list = new List(admission, overflow, orders);
  try {
    await list.admitAll(orders[Symbol.iterator]());
  } catch (cause) {
    throw new OrderError('invalid_order', 'Reading the orders threw', { cause });
  }
  return list.whenSettled();
}

/** The progress of a list. */
class List {
  readonly #admission: Admission;
  readonly #entry: Entry;
  readonly #outcomes: OrderOutcome[];
  /** How many orders were handed in. */
  #count = 0;
  /** How many of these have no outcome yet. */
  #open = 0;
  #resolve: ((outcomes: OrderOutcome[]) => void) | undefined;

  constructor(admission: Admission, overflow: Overflow, orders: Iterable<unknown>) {
    this.#admission = admission;
    this.#entry = { method: 'submitMany', overflow, isListed: true };
    // Has the length of the list, if that is known: an array that grows is copied several times.
    this.#outcomes = Array.isArray(orders) ? new Array(orders.length) : [];
  }

  async admitAll(source: Iterator<unknown>): Promise<void> {
    const { clock } = this.#admission;
    const checking: Promise<void>[] = [];
    for (;;) {
      const next = this.#admitNext(source);
      if (next === 'none left') return;
      if (next === 'turn spent') {
        await clock.nextSlice();
        clock.read();
      } else if (next.isChecking) {
        clock.now();
        checking.push(next.admitted);
        if (checking.length === mostChecked) await Promise.all(checking.splice(0));
      } else {
        // One at a time: the other orders wait in the caller's list, and none overtakes another.
        await next.admitted;
      }
    }
  }

  whenSettled(): Promise<OrderOutcome[]> {
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#finish();
    });
  }

  settle(at: number, outcome: OrderOutcome): void {
    this.#outcomes[at] = outcome;
    this.#open -= 1;
    this.#finish();
  }

  #finish(): void {
    if (this.#open > 0 || this.#resolve === undefined) return;
    this.#outcomes.length = this.#count;
    this.#resolve(this.#outcomes);
  }

  /**
   * Admits orders up to the first one that is not accepted at once, and returns it. Most are accepted at once, and a
   * loop in a function that never waits is a third faster.
   */
  #admitNext(source: Iterator<unknown>): Waiting | 'none left' | 'turn spent' {
    const { clock } = this.#admission;
    // `admit` reads the clock, unless it returns a promise.
    while (!clock.isTurnSpent) {
      const { done, value } = checkedResult(source.next());
      if (done) return 'none left';
      const waiting = this.#admit(value);
      if (waiting !== undefined) return waiting;
    }
    return 'turn spent';
  }

  #admit(order: unknown): Waiting | undefined {
    const at = this.#count;
    this.#count += 1;
    this.#open += 1;
    let job: Job;
    try {
      job = this.#admission.parse(order);
    } catch (error) {
      this.settle(at, refusalOf(this.#admission, error, 'submitMany'));
      return undefined;
    }
    job.follow(new ListedOrder(this, at));
    const admitted = handIn(this.#admission, job, this.#entry);
    return admitted && { admitted, isChecking: job.state === 'checking' };
  }
}

/** An order that is not accepted yet. */
interface Waiting {
  readonly admitted: Promise<void>;
  /** Whether a schema checks it, or it is looked up in the storage, and it does not wait for room. */
  readonly isChecking: boolean;
}

/** Puts the outcome of one order at its index. */
class ListedOrder implements Follower {
  readonly #list: List;
  readonly #at: number;

  constructor(list: List, at: number) {
    this.#list = list;
    this.#at = at;
  }

  notify(outcome: OrderOutcome, isSettled: boolean): boolean {
    if (isSettled) this.#list.settle(this.#at, outcome);
    return isSettled;
  }
}

/**
 * Checks that an iterator's `next` returned an object, as loops of the language do: otherwise this one would never end.
 *
 * @throws TypeError
 */
export function checkedResult(next: unknown): IteratorResult<unknown> {
  if (typeof next !== 'object') throw new TypeError('Expected `next` to give an object');
  return next as IteratorResult<unknown>;
}
