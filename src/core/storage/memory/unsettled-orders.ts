import { noneRemembered, type RememberedStep } from '../../order/step-result.ts';
import type { DecidedOutcome, NewOrder, StoredOrder } from '../../order/stored-order.ts';
import { type DuePage, type DuePlace, type DueQuery, isBehind } from '../due/due-orders.ts';
import type { RetriedOrder } from '../holds/hold.ts';
import { isWanted, nextOf } from '../lists/order-pages.ts';
import type { StoredOrderPage, StoredOrderQuery } from '../lists/stored-order-page.ts';
import type { RememberedOrder, RememberResult, Settlement } from '../order-storage.ts';
import { acceptedRecord } from '../reading/accepted-record.ts';

/** How many orders come in one page. */
const pageSize = 500;

interface Entry {
  readonly order: Omit<StoredOrder, 'attempt' | 'decided' | 'remembered'>;
  /** The opening after which it was accepted. */
  readonly opening: number;
  decided: DecidedOutcome | undefined;
  remembered: readonly RememberedStep[];
  compensations?: StoredOrder['compensations'];
}

/** An order with a `notBefore`. */
type DelayedEntry = Entry & { readonly order: DuePlace };

function isDelayed(entry: Entry): entry is DelayedEntry {
  return entry.order.notBefore !== undefined;
}

/** Accepted orders whose outcome is not recorded, in memory. */
export class UnsettledOrders {
  /** A `Map` gives its entries in the order of insertion, which is the order of acceptance. */
  readonly #entries = new Map<string, Entry>();
  #openings = 0;

  /** @param sequence - greater than the sequences of all orders that were added before */
  add(newOrder: NewOrder, sequence: number): Entry {
    const order = acceptedRecord(newOrder, sequence);
    const opening = this.#openings;
    const entry = { order, opening, decided: undefined, remembered: noneRemembered };
    this.#entries.set(order.id, entry);
    return entry;
  }

  /**
   * Notes the certain outcome of an order.
   *
   * @param nextSequence - returns its sequence if it was not accepted
   */
  decide(settlement: Settlement, nextSequence: () => number): void {
    const { outcome, error, cause, holds } = settlement;
    if (outcome === 'completed' || error === undefined) return;
    const { code, message, retryable } = error;
    const entry = this.#entries.get(settlement.id) ?? this.add(settlement, nextSequence());
    entry.decided = { outcome, code, message, retryable, cause, ...(holds && { holds }) };
  }

  /** An order that held its lane is tried again. */
  tryAgain({ orderId, compensations }: RetriedOrder): void {
    const entry = this.#entries.get(orderId);
    if (entry === undefined) return;
    entry.decided = undefined;
    entry.compensations = compensations;
  }

  /** Replaces what is remembered of an order's steps, if the order is here. */
  remember({ id, steps }: RememberedOrder): RememberResult {
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.remembered = steps;
    return { status: 'remembered' };
  }

  /** Removes the order and returns its sequence, if it was here. */
  delete(id: string): number | undefined {
    if (this.#entries.size === 0) return undefined;
    const entry = this.#entries.get(id);
    this.#entries.delete(id);
    return entry?.order.sequence;
  }

  find(id: string): StoredOrder | undefined {
    if (this.#entries.size === 0) return undefined;
    const entry = this.#entries.get(id);
    return entry && this.#storedOf(entry);
  }

  /** One page of them, see `OrderStorage`. It looks at each: a `Map` cannot be read backwards. */
  list(query: StoredOrderQuery): StoredOrderPage {
    const { before = Number.POSITIVE_INFINITY, limit } = query;
    let wanted: Entry[] = [];
    let hasMore = false;
    for (const entry of this.#entries.values()) {
      const { order } = entry;
      if (order.sequence >= before) break;
      if (!isWanted(query, order)) continue;
      wanted.push(entry);
      if (wanted.length < 2 * limit) continue;
      hasMore ||= wanted.length > limit;
      wanted = wanted.slice(-limit);
    }
    hasMore ||= wanted.length > limit;
    const orders = wanted.slice(-limit).map((entry) => this.#storedOf(entry));
    orders.reverse();
    return { orders, next: nextOf(orders, hasMore, undefined) };
  }

  /** All present orders that are still unsettled at their turn, each with one more attempt. */
  reopen(upTo = Number.POSITIVE_INFINITY): AsyncIterable<readonly StoredOrder[]> {
    this.#openings += 1;
    return this.#pages(this.#openings, upTo);
  }

  async *#pages(opening: number, upTo: number): AsyncGenerator<readonly StoredOrder[]> {
    let page: StoredOrder[] = [];
    for (const entry of this.#entries.values()) {
      // This order and all after it were accepted since the call.
      if (entry.opening >= opening) break;
      if ((entry.order.notBefore ?? upTo) > upTo) continue;
      page.push(this.#storedOf(entry));
      if (page.length < pageSize) continue;
      yield page;
      page = [];
    }
    if (page.length > 0) yield page;
  }

  /** The next orders with a `notBefore`. It looks at every order, since nothing sorts them. */
  due({ after, upTo, limit }: DueQuery): DuePage {
    const behind: DelayedEntry[] = [];
    for (const entry of this.#entries.values()) {
      if (isDelayed(entry) && isBehind(entry.order, after)) behind.push(entry);
    }
    behind.sort((one, other) => (isBehind(one.order, other.order) ? 1 : -1));
    const beyond = behind.findIndex(({ order }) => order.notBefore > upTo);
    const end = Math.min(limit, beyond === -1 ? behind.length : beyond);
    const orders = behind.slice(0, end).map((entry) => this.#storedOf(entry));
    return { orders, next: behind[end]?.order.notBefore };
  }

  /** How many orders have a `notBefore` above a time. */
  delayed(after: number): number {
    let count = 0;
    for (const entry of this.#entries.values()) {
      if (isDelayed(entry) && entry.order.notBefore > after) count += 1;
    }
    return count;
  }

  #storedOf({ order, opening, decided, remembered, compensations }: Entry): StoredOrder {
    const stored = { ...order, attempt: this.#openings - opening + 1, decided, remembered };
    return compensations === undefined ? stored : { ...stored, compensations };
  }
}
