import { isOrderError } from '../order/order-error.ts';
import type { ParsedOrder } from '../order/parse-order.ts';
import type { StoredOrder } from '../order/stored-order.ts';
import { isJustMade } from '../runtime/uuid-v7.ts';
import type { KnownOrders } from './known-orders.ts';

/** How many lookups may be under way at once. */
export const mostLookups = 1_000;

/**
 * Lookups of ids whose orders are about to be refused, or wait for room, in a storage that keeps orders. The caller of
 * an id that was accepted before gets its order's outcome, and no refusal.
 *
 * A refusal for no room or for shutting down must cost little in a flood. So the lookups for these are bounded: when
 * the bound is reached, an order is refused without one.
 */
export class RefusalLookups {
  readonly #known: Pick<KnownOrders, 'ask' | 'get'>;
  #underWay = 0;
  #isClosed = false;
  readonly #waiting: (() => void)[] = [];

  constructor(known: Pick<KnownOrders, 'ask' | 'get'>) {
    this.#known = known;
  }

  /**
   * The storage's order with the id of an order that is about to be refused; `undefined` if it need not be asked.
   * Rejects with an error that also is a reason to refuse the order.
   */
  beforeRefusal(
    refusal: unknown,
    order: ParsedOrder,
    signal?: AbortSignal,
  ): Promise<StoredOrder | undefined> | undefined {
    if (isForTheMoment(refusal)) return this.mayAsk(order) ? this.ask(order, signal) : undefined;
    if (isOrderError(refusal)) {
      // The id of an order on its way into the storage may belong to another order.
      const isFinal =
        refusal.code === 'order_conflict'
          ? this.#known.get(order.id).status === 'unknown'
          : !refusal.retryable;
      if (!isFinal) return undefined;
    }
    return this.#known.ask(order.id, signal, order);
  }

  /** Whether a lookup for this order may be made now. */
  mayAsk({ id }: ParsedOrder): boolean {
    // No storage has an id that was generated a moment ago.
    return this.#hasRoom && !isJustMade(id);
  }

  /** The storage's order with an order's id; `undefined` if the storage fails. Rejects with `canceled`. */
  async ask(order: ParsedOrder, signal?: AbortSignal): Promise<StoredOrder | undefined> {
    this.#underWay += 1;
    try {
      return await this.#known.ask(order.id, signal, order);
    } catch (error) {
      if (isOrderError(error) && error.code !== 'storage_failed') throw error;
      return undefined;
    } finally {
      this.#underWay -= 1;
      for (const resolve of this.#waiting.splice(0)) resolve();
    }
  }

  /** Resolves when a lookup may be made, or when no more lookups are made. */
  async whenRoom(): Promise<void> {
    while (!this.#hasRoom && !this.#isClosed) await this.#nextAnswer();
  }

  /** Makes no further lookup, since the storage is about to be closed; resolves when none is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    while (this.#underWay > 0) await this.#nextAnswer();
  }

  get #hasRoom(): boolean {
    return !this.#isClosed && this.#underWay < mostLookups;
  }

  #nextAnswer(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

/** Whether an order that is refused with this error may be accepted when it comes again as it is. */
function isForTheMoment(refusal: unknown): boolean {
  return isOrderError(refusal) && (refusal.code === 'queue_full' || refusal.code === 'shut_down');
}
