import type { OrderStatus } from '../../order/outcome.ts';
import type { StoredOrder } from '../../order/stored-order.ts';
import type { StoredOrderQuery } from './stored-order-page.ts';

/** An order's place in the order of acceptance. */
type Placed = Pick<StoredOrder, 'sequence'>;

/** A `StoredOrderPage` of partly known orders. */
export interface PageOf<T extends Placed> {
  readonly orders: readonly T[];
  readonly next: number | undefined;
}

/** Whether an order passes the filters of a query, at any place in the list. */
export function isWanted(
  {
    userId,
    status,
    acceptedFrom,
    acceptedBefore,
  }: Omit<StoredOrderQuery, 'limit' | 'status'> & {
    readonly status?: OrderStatus | undefined;
  },
  order: { readonly userId: string; readonly status: OrderStatus; readonly acceptedAt: number },
): boolean {
  if (userId !== undefined && userId !== order.userId) return false;
  if (status !== undefined && status !== order.status) return false;
  if (acceptedFrom !== undefined && order.acceptedAt < acceptedFrom) return false;
  return acceptedBefore === undefined || order.acceptedAt < acceptedBefore;
}

/**
 * Merges two pages of one query from two sources. An order may have moved from one source to the other meanwhile.
 *
 * @param first - if both pages have an order, the one of this page is dropped
 */
export function mergePages<T extends Placed>(
  first: PageOf<T>,
  second: PageOf<T>,
  limit: number,
): PageOf<T> {
  // Below it, one of the two sources has not been read yet.
  const end = Math.max(first.next ?? 0, second.next ?? 0);
  const known = new Set(second.orders.map(({ sequence }) => sequence));
  const others = first.orders.filter(({ sequence }) => !known.has(sequence));
  const all = [...others, ...second.orders].filter(({ sequence }) => sequence >= end);
  all.sort((one, other) => other.sequence - one.sequence);
  const orders = all.slice(0, limit);
  return { orders, next: nextOf(orders, all.length > limit, end) };
}

/** Where the page after these orders begins; `undefined` if there are no more orders. */
export function nextOf(
  orders: readonly Placed[],
  hasMore: boolean,
  end: number | undefined,
): number | undefined {
  if (hasMore) return orders.at(-1)?.sequence;
  return end || undefined;
}
