import { type Beginning, type Entrance, isOutcome } from './entrance.ts';
import { OrderError } from './errors.ts';
import { Job } from './job.ts';
import type { OrderOutcome } from './outcome.ts';

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
    return entrance.enter(begun, { overflow }, (outcome, isSettled) => {
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
    const next: unknown = source.next();
    // As `for … of` does: it would go on for ever.
    if (typeof next !== 'object') throw new TypeError('Expected `next` to give an object');
    const { done, value } = next as IteratorResult<unknown>;
    if (done) return 'none left';
    const begun = entrance.begin(value);
    if (!isOutcome(begun)) return begun;
    begins.outcomes[begins.count] = begun;
    begins.count += 1;
  }
  return 'turn spent';
}

/**
 * Outcomes of a source's orders, in the source's order. The source is asked for its next order only
 * when the one before was accepted and fewer than `window` outcomes are owed to the reader, so neither
 * a fast source nor a slow reader fills the memory.
 */
export async function* outcomesOfStream(
  entrance: Entrance,
  source: AsyncIterable<unknown> | Iterable<unknown>,
  window: number,
): AsyncGenerator<OrderOutcome, void, undefined> {
  const pump = new Pump(entrance, source, window);
  const pumping = pump.run();
  try {
    for (;;) {
      const next = pump.owed.shift();
      if (next !== undefined) {
        const outcome = await next;
        pump.wake();
        yield outcome;
      } else if (pump.isDone) {
        // Throws what the source threw.
        return await pumping;
      } else {
        await pump.moved();
      }
    }
  } finally {
    pump.stop();
  }
}

/** Pulls orders from a source for a reader. */
class Pump {
  /** What the reader is still to get, in order. */
  readonly owed: Promise<OrderOutcome>[] = [];
  isDone = false;
  readonly #entrance: Entrance;
  readonly #iterator: AsyncIterator<unknown> | Iterator<unknown>;
  readonly #window: number;
  #isStopped = false;
  #wakeReader = (): void => {};
  #wakePump = (): void => {};

  constructor(
    entrance: Entrance,
    source: AsyncIterable<unknown> | Iterable<unknown>,
    window: number,
  ) {
    this.#entrance = entrance;
    this.#window = window;
    this.#iterator =
      Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  }

  /** Rejects with what the source throws; the reader hears of it when it has all outcomes before. */
  run(): Promise<void> {
    const running = this.#pull().finally(() => {
      this.isDone = true;
      this.#wakeReader();
    });
    running.catch(() => {});
    return running;
  }

  /** Resolves when there is something new for the reader. */
  moved(): Promise<void> {
    return new Promise((resolve) => {
      this.#wakeReader = resolve;
    });
  }

  /** The reader has taken something. */
  wake(): void {
    this.#wakePump();
  }

  stop(): void {
    this.#isStopped = true;
    this.#wakePump();
    // Not awaited: a source that waits for something may never come back from it.
    if (!this.isDone) this.#return().catch(() => {});
  }

  async #return(): Promise<void> {
    await this.#iterator.return?.();
  }

  async #pull(): Promise<void> {
    const { clock } = this.#entrance;
    while (!this.#isStopped) {
      if (!clock.hasTime()) await clock.nextSlice();
      const next = await this.#iterator.next();
      if (next.done === true || this.#isStopped) return;
      await this.#start(next.value);
      while (this.owed.length >= this.#window && !this.#isStopped) {
        await new Promise<void>((resolve) => {
          this.#wakePump = resolve;
        });
      }
    }
  }

  /** Resolves when the order is accepted, or needs no accepting. */
  #start(order: unknown): Promise<void> | undefined {
    return this.#enter(this.#entrance.begin(order));
  }

  #enter(begun: Beginning): Promise<void> | undefined {
    if (begun instanceof Promise) return begun.then((late) => this.#enter(late()));
    let waiting: Promise<void> | undefined;
    this.owed.push(
      begun instanceof Job
        ? new Promise((resolve) => {
            waiting = this.#entrance.enter(begun, { overflow: 'wait' }, (outcome, isSettled) => {
              if (isSettled) resolve(outcome);
              return isSettled;
            });
          })
        : Promise.resolve(begun),
    );
    this.#wakeReader();
    return waiting;
  }
}
