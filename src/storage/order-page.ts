import type { OrderStatus } from '../outcome.ts';
import type { ListPosition, StoredOrder, StoredOrderQuery } from './order-storage.ts';

/** One page of a list, gathered from orders that come in any order; newest first is quickest. */
export class OrderPage {
  readonly #query: StoredOrderQuery;
  /** As they came, and up to twice as many as the page has, so that sorting them costs little. */
  readonly #orders: StoredOrder[] = [];
  /** Once there are enough: where the page ends at the latest. */
  #end: ListPosition | undefined;

  constructor(query: StoredOrderQuery) {
    this.#query = query;
  }

  /** Whether an order may be on the page; only then it is worth to make it. */
  wants(userId: string, status: OrderStatus, acceptedAt: number, id: string): boolean {
    const query = this.#query;
    if (query.userId !== undefined && query.userId !== userId) return false;
    if (query.status !== undefined && query.status !== status) return false;
    if (query.acceptedFrom !== undefined && acceptedAt < query.acceptedFrom) return false;
    if (query.acceptedBefore !== undefined && acceptedAt >= query.acceptedBefore) return false;
    if (query.after !== undefined && !comesAfter(query.after, acceptedAt, id)) return false;
    return this.#end === undefined || !comesAfter(this.#end, acceptedAt, id);
  }

  add(order: StoredOrder): void {
    this.#orders.push(order);
    if (this.#orders.length >= 2 * this.#query.limit) this.#trim();
  }

  /** The page, when all have come. */
  orders(): readonly StoredOrder[] {
    this.#trim();
    return this.#orders;
  }

  #trim(): void {
    const { limit } = this.#query;
    this.#orders.sort((one, other) => (comesAfter(one, other.acceptedAt, other.id) ? -1 : 1));
    if (this.#orders.length < limit) return;
    this.#orders.length = limit;
    this.#end = this.#orders[limit - 1];
  }
}

function comesAfter(position: ListPosition, acceptedAt: number, id: string): boolean {
  if (acceptedAt !== position.acceptedAt) return acceptedAt < position.acceptedAt;
  return id < position.id;
}
