import { Job } from '../lifecycle/job.ts';
import { OrderError } from '../order/order-error.ts';
import type { OrderOutcome } from '../order/outcome.ts';
import { type Beginning, type Entrance, isOutcome } from './submit.ts';

/** So many orders of a list may be with a schema that takes its time; it keeps each user's in order. */
const checksAtOnce = 1_000;

/**
 * Has all orders of a list processed; resolves when each has its outcome, index-aligned. If the list
 * itself throws, it rejects; the orders before go on.
 */
export async function outcomesOfAll(
  entrance: Entrance,
  orders: Iterable<unknown>,
  overflow: 'reject' | 'wait',
): Promise<OrderOutcome[]> {
  const { clock } = entrance;
  const begins: Begins = { outcomes: [], count: 0 };
  let open = 0;
  let allSettled: (() => void) | undefined;
  const place = (at: number, outcome: OrderOutcome): void => {
    begins.outcomes[at] = outcome;
    open -= 1;
    if (open === 0) allSettled?.();
  };
  const enter = (at: number, begun: Beginning): Promise<void> | undefined => {
    if (begun instanceof Promise) return begun.then((late) => enter(at, late()));
    if (!(begun instanceof Job)) return void place(at, begun);
    return entrance.enterAwaited(begun, { overflow, isList: true }, (outcome, isSettled) => {
      if (isSettled) place(at, outcome);
      return isSettled;
    });
  };
  const checking: Promise<void>[] = [];
  try {
    if (Array.isArray(orders)) begins.outcomes = new Array(orders.length);
    const source = orders[Symbol.iterator]();
    for (;;) {
      const begun = beginNext(entrance, source, begins);
      if (begun === 'none left') break;
      if (begun === 'turn spent') {
        await clock.nextSlice();
        clock.read();
        continue;
      }
      const at = begins.count;
      begins.count += 1;
      open += 1;
      if (begun instanceof Promise) {
        clock.now();
        checking.push(enter(at, begun) as Promise<void>);
        if (checking.length === checksAtOnce) await Promise.all(checking.splice(0));
      } else {
        // One at a time: the rest waits in the caller's list, and none overtakes another.
        const waiting = enter(at, begun);
        if (waiting !== undefined) await waiting;
      }
    }
  } catch (cause) {
    throw new OrderError('invalid_order', 'Reading the orders threw', { cause });
  }
  if (open > 0) {
    await new Promise<void>((resolve) => {
      allSettled = resolve;
    });
  }
  begins.outcomes.length = begins.count;
  return begins.outcomes;
}

/** How far a list has come. */
interface Begins {
  /** Of the length of the list, if that is known: an array that grows is copied several times. */
  outcomes: OrderOutcome[];
  /** How many of its orders have begun. */
  count: number;
}

/**
 * Begins orders up to one that is not over at once, which it gives. Most are, and a loop in a function that
 * never waits is a third faster.
 */
function beginNext(
  entrance: Entrance,
  source: Iterator<unknown>,
  begins: Begins,
): Exclude<Beginning, OrderOutcome> | 'none left' | 'turn spent' {
  const { clock } = entrance;
  // `begin` reads the clock, unless it gives a promise.
  while (!clock.isTurnSpent) {
    const { done, value } = checkedResult(source.next());
    if (done) return 'none left';
    const begun = entrance.begin(value);
    if (!isOutcome(begun)) return begun;
    begins.outcomes[begins.count] = begun;
    begins.count += 1;
  }
  return 'turn spent';
}

/**
 * What an iterator's `next` gave, refused as loops of the language do if it is no object: it would go on for ever.
 *
 * @throws TypeError
 */
export function checkedResult(next: unknown): IteratorResult<unknown> {
  if (typeof next !== 'object') throw new TypeError('Expected `next` to give an object');
  return next as IteratorResult<unknown>;
}
