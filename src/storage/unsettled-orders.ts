import { noSteps } from '../outcome.ts';
import type { OrderPage } from './order-page.ts';
import type { DecidedOutcome, NewOrder, Settlement, StoredOrder } from './order-storage.ts';

/** How many orders come in one page. */
const pageSize = 500;

interface Entry {
  readonly order: Omit<StoredOrder, 'attempt' | 'decided'>;
  /** The opening after which it was accepted. */
  readonly opening: number;
  decided: DecidedOutcome | undefined;
}

/** Accepted orders of which the outcome is not recorded, in memory. */
export class UnsettledOrders {
  /** A `Map` gives its entries in the order in which they came: that of acceptance. */
  readonly #entries = new Map<string, Entry>();
  #openings = 0;

  add({ id, userId, amount, priority, payload, labels, content, acceptedAt }: NewOrder): Entry {
    const order = {
      ...{ id, userId, amount, priority, payload, labels, content, acceptedAt },
      status: 'pending' as const,
      startedAt: undefined,
      settledAt: undefined,
      balance: undefined,
      code: undefined,
      message: undefined,
      retryable: undefined,
      steps: noSteps,
    };
    const entry = { order, opening: this.#openings, decided: undefined };
    this.#entries.set(id, entry);
    return entry;
  }

  /** Notes what is certain to become of an order. */
  decide(settlement: Settlement): void {
    const { outcome, error } = settlement;
    if (outcome === 'completed' || error === undefined) return;
    const { code, message, retryable } = error;
    const entry = this.#entries.get(settlement.id) ?? this.add(settlement);
    entry.decided = { outcome, code, message, retryable };
  }

  delete(id: string): void {
    this.#entries.delete(id);
  }

  find(id: string): StoredOrder | undefined {
    const entry = this.#entries.get(id);
    return entry && this.#storedOf(entry);
  }

  /** Puts on a page what belongs there. */
  list(page: OrderPage): void {
    for (const entry of this.#entries.values()) {
      const { userId, status, acceptedAt, id } = entry.order;
      if (page.wants(userId, status, acceptedAt, id)) page.add(this.#storedOf(entry));
    }
  }

  /** All that are there now and still are when it is their turn, with one more attempt each. */
  reopen(): AsyncIterable<readonly StoredOrder[]> {
    this.#openings += 1;
    return this.#pages(this.#openings);
  }

  async *#pages(opening: number): AsyncGenerator<readonly StoredOrder[]> {
    let page: StoredOrder[] = [];
    for (const entry of this.#entries.values()) {
      // Accepted since, as are all after it.
      if (entry.opening >= opening) break;
      page.push(this.#storedOf(entry));
      if (page.length < pageSize) continue;
      yield page;
      page = [];
    }
    if (page.length > 0) yield page;
  }

  #storedOf({ order, opening, decided }: Entry): StoredOrder {
    return { ...order, attempt: this.#openings - opening + 1, decided };
  }
}
