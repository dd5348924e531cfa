import type { Order } from '../../order/order.ts';
import { OrderError } from '../../order/order-error.ts';
import type { OrderRecord } from '../../order/outcome.ts';
import { retryIdOf } from '../../order/retry/retry-id.ts';
import { quote } from '../../runtime/thrown.ts';
import type { Overflow } from '../capacity.ts';
import { enqueue } from '../enqueue.ts';
import { type FailedOrderSources, failedOrder } from './failed-order.ts';

/**
 * Hands a failed or canceled order in once more. The new id follows from the old one, so that the storage keeps one
 * order, however many processes retry it.
 *
 * @returns the record of the order that it came again as
 * @throws OrderError `not_failed`, `history_forgotten`, `order_conflict`, or why the new order is refused
 */
export async function retryOrder(
  sources: FailedOrderSources,
  id: string,
  overflow: Overflow,
  signal: AbortSignal | undefined,
): Promise<OrderRecord> {
  const { admission } = sources;
  const stored = await failedOrder(sources, id, signal);
  const { retriedAs } = stored;
  if (retriedAs !== undefined) {
    const record = await admission.known.record(retriedAs);
    if (record !== undefined) return record;
    const { userId } = stored;
    const message = `The order came again as ${quote(retriedAs)}, which the storage has forgotten or pruned`;
    throw new OrderError('history_forgotten', message, { orderId: id, userId });
  }
  const { userId, orderedAmount: amount, postings, priority, content: payload } = stored;
  const order: Order = { id: retryIdOf(stored), userId, amount, postings, priority, payload };
  const { record } = await enqueue(admission, order, overflow, { signal }, undefined, id);
  return record;
}
