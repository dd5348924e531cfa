import type { InFlightOrders } from '../../lifecycle/in-flight-orders.ts';
import { retryIdOf } from '../../order/retry/retry-id.ts';
import type { StoredOrder } from '../../order/stored-order.ts';
import type { Ledger } from '../../storage/ledger.ts';

interface Sources {
  readonly ledger: Ledger;
  readonly inFlight: InFlightOrders;
}

/**
 * An order with the id under which it came again. A storage that gets orders with their settlement does
 * not know that while the other order is in flight.
 */
export function withRetry(order: StoredOrder, { ledger, inFlight }: Sources): StoredOrder {
  const { code, retriedAs } = order;
  if (code === undefined || retriedAs !== undefined || ledger.journal !== undefined) return order;
  const job = inFlight.size === 0 ? undefined : inFlight.get(retryIdOf(order));
  // One that is older came again for an earlier order with the id.
  const isRetry = job?.retryOf === order.id && job.sequence > order.sequence;
  return isRetry ? { ...order, retriedAs: job.id } : order;
}
