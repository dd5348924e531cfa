import type { Job } from '../lifecycle/job.ts';
import { isOrderError } from '../order/order-error.ts';
import type { OrderRecord } from '../order/outcome.ts';
import type { ParsedOrder } from '../order/parse-order.ts';
import { isJustMade } from '../runtime/uuid-v7.ts';
import type { KnownOrders } from './known-orders.ts';

/** So many questions may be open at once. */
export const mostQuestions = 1_000;

/** Whether an order that is refused so may come again as it is. */
export function isForTheMoment(refusal: unknown): boolean {
  return isOrderError(refusal) && (refusal.code === 'queue_full' || refusal.code === 'shut_down');
}

/**
 * Questions to a storage that keeps orders about ids whose orders would be refused for the moment, or wait: because
 * there is no room, or because the processor drains. An id that was accepted once hears what its order came to.
 *
 * Bounded, since what is refused in a flood is to cost little: when so many are open, an order is refused unasked.
 */
export class RefusalLookups {
  readonly #lookup: Pick<KnownOrders, 'knownInstead'>;
  #open = 0;
  #isClosed = false;
  readonly #waiting: (() => void)[] = [];

  constructor(lookup: Pick<KnownOrders, 'knownInstead'>) {
    this.#lookup = lookup;
  }

  /** Whether the storage may be asked about an order now. */
  mayAsk({ id }: ParsedOrder): boolean {
    // One that came without an id was given its own a moment ago.
    return this.#hasRoom && !isJustMade(id);
  }

  /** What the id of an order stands for; nothing if the storage cannot say. Rejects with `order_conflict`. */
  async ask(
    order: ParsedOrder,
    signal?: AbortSignal,
    isOver?: () => boolean,
  ): Promise<Job | OrderRecord | undefined> {
    this.#open += 1;
    try {
      return await this.#lookup.knownInstead(order, signal, isOver);
    } catch (error) {
      if (isOrderError(error) && error.code !== 'storage_failed') throw error;
      return undefined;
    } finally {
      this.#open -= 1;
      for (const resolve of this.#waiting.splice(0)) resolve();
    }
  }

  /** Resolves when one more may be asked, or none any more. */
  async whenRoom(): Promise<void> {
    while (!this.#hasRoom && !this.#isClosed) await this.#nextAnswer();
  }

  /** Asks no more, since the storage is about to be closed; resolves when what was asked is answered. */
  async close(): Promise<void> {
    this.#isClosed = true;
    while (this.#open > 0) await this.#nextAnswer();
  }

  get #hasRoom(): boolean {
    return !this.#isClosed && this.#open < mostQuestions;
  }

  #nextAnswer(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
