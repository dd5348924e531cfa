import type { InFlightOrders } from '../lifecycle/in-flight-orders.ts';
import type { Job } from '../lifecycle/job.ts';
import type { StoredOrder } from '../order/stored-order.ts';
import { withMessage } from '../storage/order-answers.ts';
import type { SharedOrders } from '../storage/shared-storage.ts';

/** Asks a shared storage what became of orders: outcomes may come as events before it answers. */
export class EarlyOutcomes {
  readonly #shared: SharedOrders;
  readonly #inFlight: InFlightOrders;
  /** Settled orders that may be awaited: a call of the storage that says so has not been answered. */
  readonly #early = new Map<string, StoredOrder>();
  /** How many calls of `watch` with an id are under way. */
  readonly #asked = new Map<string, number>();

  constructor(shared: SharedOrders, inFlight: InFlightOrders) {
    this.#shared = shared;
    this.#inFlight = inFlight;
  }

  get(id: string): StoredOrder | undefined {
    return this.#early.get(id);
  }

  /** The storage has settled an order. */
  settled(order: StoredOrder): void {
    const { id } = order;
    if (this.#asked.has(id) || this.#isAccepting(id)) this.#early.set(id, order);
  }

  /** An order is in flight no longer. */
  left({ id }: Job): void {
    if (this.#early.size > 0 && !this.#asked.has(id)) this.#early.delete(id);
  }

  /** Asks for orders as of now: what was settled while the storage answered is in the answer. */
  async ask(ids: readonly string[]): Promise<readonly (StoredOrder | undefined)[]> {
    for (const id of ids) this.#asked.set(id, (this.#asked.get(id) ?? 0) + 1);
    try {
      const orders = await this.#shared.watch(ids);
      return ids.map((id, at) => {
        const order = this.#early.get(id) ?? orders[at];
        return order && withMessage(order);
      });
    } finally {
      for (const id of ids) this.#answered(id);
    }
  }

  #answered(id: string): void {
    const left = (this.#asked.get(id) ?? 1) - 1;
    if (left > 0) this.#asked.set(id, left);
    else {
      this.#asked.delete(id);
      if (!this.#isAccepting(id)) this.#early.delete(id);
    }
  }

  #isAccepting(id: string): boolean {
    return this.#inFlight.get(id)?.state === 'accepting';
  }
}
