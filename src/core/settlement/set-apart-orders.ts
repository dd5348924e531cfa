import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import { isOver } from '../lifecycle/order-state.ts';
import { storageFailed } from '../order/processor-errors.ts';
import { callBatch } from '../runtime/group-call.ts';
import type { Conclusion } from './conclusion.ts';
import type { OrderSettlement } from './settlement.ts';

/** How many calls in a row may fail, each after the storage said that it works, before it looks for an order. */
const mostFailures = 3;

/** How many orders in a row may fail alone: after that the storage counts as failing, and not the orders. */
const mostInRow = 3;

/** How long orders that are set apart wait for their next try, in milliseconds; the pause doubles. */
const pauseMs = { first: 1_000, most: 60_000 } as const;

/** How many of them are tried after a pause, each by a call of its own. */
const mostAtOnce = 16;

/**
 * Finds the orders that a storage can never settle, so that they do not hold up the others. If calls fail again and
 * again although the storage says that it works, each next call has half as many orders, down to one. An order that
 * fails alone is set apart, and tried alone from time to time. Later orders of its user wait behind it (invariant 1).
 */
export class SetApartOrders {
  readonly #conclusion: Conclusion;
  readonly #lifecycle: Lifecycle;
  readonly #tryAgain: () => void;
  /** How many orders the next call may have; `undefined` for any number. */
  #most: number | undefined;
  #failures = 0;
  #inRow = 0;
  /** By user: the order that is set apart, and the orders behind it. */
  readonly #apart = new Map<string, OrderSettlement[]>();
  /** How many users may be tried now. */
  #due = 0;
  #pauseMs: number = pauseMs.first;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** @param tryAgain - called when orders that are set apart are to be tried again */
  constructor(conclusion: Conclusion, lifecycle: Lifecycle, tryAgain: () => void) {
    this.#conclusion = conclusion;
    this.#lifecycle = lifecycle;
    this.#tryAgain = tryAgain;
  }

  /** How many orders the next call may have. */
  get most(): number {
    return this.#most ?? Number.POSITIVE_INFINITY;
  }

  /** Whether an order of this user is set apart. */
  holds(userId: string): boolean {
    return this.#apart.size > 0 && this.#apart.has(userId);
  }

  /** A call has worked. */
  worked(): void {
    if (this.#inRow >= mostInRow) {
      // The storage had failed as a whole.
      this.#due = Math.min(this.#apart.size, mostAtOnce);
      this.#pauseMs = pauseMs.first;
    }
    this.#inRow = 0;
    if (this.#most !== undefined && this.#most <= callBatch / 2) this.#most *= 2;
    else {
      this.#most = undefined;
      this.#failures = 0;
    }
  }

  /**
   * A whole call has failed. Returns what to do: `'hold'` to ask the storage first whether it works, `'halve'` to go on
   * with calls of half the size, `'apart'` to go on without the only order of the call.
   */
  failed(batch: readonly OrderSettlement[]): 'hold' | 'halve' | 'apart' {
    if (this.#isApart(batch[0] as OrderSettlement)) return 'apart';
    this.#failures += 1;
    if (this.#failures <= mostFailures) return 'hold';
    this.#most = Math.max(1, Math.floor(batch.length / 2));
    if (batch.length > 1) return 'halve';
    this.#inRow += 1;
    return this.#inRow > mostInRow ? 'hold' : 'apart';
  }

  /**
   * Lets orders of a call that the storage cannot settle wait alone, and later orders of the same users wait behind
   * them (invariant 1).
   *
   * @param causes - why, by order
   * @param gathered - the orders that were decided since @returns the gathered orders that go on, and a function that
   * notifies callers and listeners
   */
  setApart(
    causes: ReadonlyMap<OrderSettlement, unknown>,
    gathered: readonly OrderSettlement[],
  ): { readonly rest: OrderSettlement[]; notify(): void } {
    const added = this.#add([...causes.keys()]);
    const behind = gathered.filter(({ userId }) => this.holds(userId));
    const rest = gathered.filter(({ userId }) => !this.holds(userId));
    this.#add(behind);
    return { rest, notify: () => this.#notify(causes, added, behind) };
  }

  /** Lets orders wait behind an order of their user. */
  waitBehind(behind: readonly OrderSettlement[]): void {
    this.#add(behind);
    this.#notifyBehind(behind);
  }

  /** An order is settled, or ends otherwise. Returns the orders that have waited behind it. */
  settled(settlement: OrderSettlement): readonly OrderSettlement[] | undefined {
    if (this.#apart.size === 0 || !this.#isApart(settlement)) return undefined;
    const apart = this.#apart.get(settlement.userId) as OrderSettlement[];
    this.#apart.delete(settlement.userId);
    this.#due = Math.min(this.#due, this.#apart.size);
    return apart.slice(1);
  }

  /** An order to try now. */
  take(): OrderSettlement | undefined {
    if (this.#due === 0) return undefined;
    this.#due -= 1;
    const [[userId, apart]] = this.#apart as unknown as [[string, OrderSettlement[]]];
    // Its user goes to the end.
    this.#apart.delete(userId);
    this.#apart.set(userId, apart);
    return apart[0];
  }

  /** Forgets users whose orders are not to be settled here any more. */
  forget(): void {
    for (const [userId, [first]] of this.#apart) {
      if (first !== undefined && isOver(first.job)) this.#apart.delete(userId);
    }
    this.#due = Math.min(this.#due, this.#apart.size);
  }

  /** Forgets all, and tries none again: the processor has closed, though a call may still be answered. */
  close(): void {
    this.#isClosed = true;
    this.#apart.clear();
    this.#due = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /**
   * Lets the orders that may wait be tried alone later, each behind the orders of its user.
   *
   * @returns the orders that were not tried alone before
   */
  #add(settlements: readonly OrderSettlement[]): readonly OrderSettlement[] {
    const added = settlements.filter((each) => each.mayWait && !this.#isApart(each));
    for (const settlement of added) {
      const apart = this.#apart.get(settlement.userId);
      if (apart === undefined) this.#apart.set(settlement.userId, [settlement]);
      else apart.push(settlement);
    }
    if (added.length > 0) {
      this.#pauseMs = pauseMs.first;
      this.#wait();
    }
    return added;
  }

  #notify(
    causes: ReadonlyMap<OrderSettlement, unknown>,
    added: readonly OrderSettlement[],
    behind: readonly OrderSettlement[],
  ): void {
    const { events } = this.#lifecycle;
    for (const settlement of added) {
      const message = 'The storage cannot settle it; the order waits alone, and is tried again';
      const cause = causes.get(settlement);
      this.#conclusion.delayed(settlement, message, cause);
      events.notify.error?.(storageFailed(message, cause, settlement));
    }
    for (const [settlement, cause] of causes) {
      if (settlement.mayWait) continue;
      events.notify.error?.(storageFailed('A call of the storage failed', cause));
      this.#conclusion.end(settlement, cause);
    }
    this.#notifyBehind(behind);
  }

  #notifyBehind(behind: readonly OrderSettlement[]): void {
    for (const settlement of behind) {
      const message =
        'The storage cannot settle an earlier order of its user; it waits behind that one';
      if (settlement.mayWait) this.#conclusion.delayed(settlement, message, undefined);
      else this.#conclusion.end(settlement, undefined);
    }
  }

  #isApart(settlement: OrderSettlement): boolean {
    return this.#apart.get(settlement.userId)?.[0] === settlement;
  }

  #wait(): void {
    if (this.#isClosed || this.#timer !== undefined || this.#apart.size === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#due = Math.min(this.#apart.size, mostAtOnce);
      this.#tryAgain();
      this.#wait();
    }, this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, pauseMs.most);
  }
}
