import type { Order } from '../../order/order.ts';
import { OrderError } from '../../order/order-error.ts';
import type { OrderRecord } from '../../order/outcome.ts';
import { retryIdOf } from '../../order/retry/retry-id.ts';
import type { StoredOrder } from '../../order/stored-order.ts';
import { quote } from '../../runtime/thrown.ts';
import type { RetryOrderOptions } from '../caller-options.ts';
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
  { signal, traceContext }: RetryOrderOptions,
): Promise<OrderRecord> {
  const { admission } = sources;
  const stored = await failedOrder(sources, id, signal);
  const { retriedAs } = stored;
  if (retriedAs !== undefined) {
    const record = await admission.known.record(retriedAs);
    // The id may be another order's by now.
    if (record?.retryOf === id) return record;
    const { userId } = stored;
    const message = `The order came again as ${quote(retriedAs)}, which the storage has forgotten or pruned`;
    throw new OrderError('history_forgotten', message, { orderId: id, userId });
  }
  const newId = retryIdOf(stored);
  await checkNotEarlier(sources, newId, stored);
  const { userId, orderedAmount: amount, postings, priority, content: payload } = stored;
  const order: Order = {
    ...{ id: newId, userId, amount, postings, priority, payload },
    traceContext: traceContext ?? stored.traceContext,
  };
  const { record } = await enqueue(admission, order, overflow, { signal }, undefined, stored);
  return record;
}

/**
 * Checks that no order came again as `newId` before this one was accepted: of an earlier order with the same id, that the
 * storage has forgotten.
 *
 * @throws OrderError `order_conflict`
 */
async function checkNotEarlier(
  { admission, inFlight }: FailedOrderSources,
  newId: string,
  { id, userId, sequence }: StoredOrder,
): Promise<void> {
  const known = inFlight.get(newId) ?? (await admission.known.stored(newId));
  if (known === undefined || known.sequence === 0 || known.sequence > sequence) return;
  const message = `The id ${quote(newId)} belongs to an order that is older than order ${quote(id)}: an earlier order with that id came again as it`;
  throw new OrderError('order_conflict', message, { orderId: id, userId });
}
