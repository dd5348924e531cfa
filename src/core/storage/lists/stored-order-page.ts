import type { OrderStatus } from '../../order/outcome.ts';
import type { StoredOrder } from '../../order/stored-order.ts';

/**
 * Which orders a storage lists; a filter that is left out does not apply.
 *
 * @category For authors of storages
 */
export interface StoredOrderQuery {
  /** Whose. */
  readonly userId?: string | undefined;
  /** With which status; `'pending'` stands for all unsettled orders, and `'processing'` is not asked for. */
  readonly status?: Exclude<OrderStatus, 'processing'> | undefined;
  /** Accepted at this time or later, in Unix milliseconds. */
  readonly acceptedFrom?: number | undefined;
  /** Accepted before this time, in Unix milliseconds. */
  readonly acceptedBefore?: number | undefined;
  /** Only orders with a smaller {@link StoredOrder.sequence}. */
  readonly before?: number | undefined;
  /** How many at most, from 1 up. */
  readonly limit: number;
  /**
   * About how many bytes the page may take at most, from 1 up; it has one order in any case. A storage
   * that reads orders from elsewhere ends the page there. No bound by default.
   */
  readonly maxBytes?: number | undefined;
}

/**
 * One page of a list.
 *
 * @category For authors of storages
 */
export interface StoredOrderPage {
  /** The orders, the one with the greatest {@link StoredOrder.sequence} first. */
  readonly orders: readonly StoredOrder[];
  /**
   * Where the next page begins, to be given as {@link StoredOrderQuery.before}: this page has every wanted
   * order with this sequence or a greater one. `undefined` if there are no more orders.
   */
  readonly next: number | undefined;
}
