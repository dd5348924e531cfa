import type { InFlightOrders } from '../../lifecycle/in-flight-orders.ts';
import type { OrderRecord } from '../../order/outcome.ts';
import { retryIdOf } from '../../order/retry/retry-id.ts';
import type { Ledger } from '../../storage/ledger.ts';

interface Sources {
  readonly ledger: Ledger;
  readonly inFlight: InFlightOrders;
}

/**
 * The record of an order with the id under which it came again. A storage that gets orders with their settlement does
 * not know that while the other order is in flight.
 */
export function withRetry<T extends OrderRecord>(record: T, { ledger, inFlight }: Sources): T {
  const { code, retriedAs } = record;
  if (code === undefined || retriedAs !== undefined || ledger.journal !== undefined) return record;
  const job = inFlight.size === 0 ? undefined : inFlight.get(retryIdOf(record));
  return job?.retryOf === record.id ? { ...record, retriedAs: job.id } : record;
}
