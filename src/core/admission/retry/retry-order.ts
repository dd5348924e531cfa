import type { InFlightOrders } from '../../lifecycle/in-flight-orders.ts';
import { type Job, toldOf } from '../../lifecycle/job.ts';
import type { Order } from '../../order/order.ts';
import { OrderError } from '../../order/order-error.ts';
import type { OrderRecord } from '../../order/outcome.ts';
import { waitingEnded } from '../../order/processor-errors.ts';
import { retryIdOf } from '../../order/retry/retry-id.ts';
import type { StoredOrder } from '../../order/stored-order.ts';
import { untilAbort } from '../../runtime/abort.ts';
import { quote } from '../../runtime/thrown.ts';
import type { Admission } from '../admission.ts';
import type { Overflow } from '../capacity.ts';
import { enqueue } from '../enqueue.ts';

/** What `retryOrder` needs of others. */
interface Sources {
  readonly admission: Admission;
  readonly inFlight: InFlightOrders;
  readonly heldLanes: {
    /** Whether a failed order holds its lane. */
    isHeldBy(job: Job): boolean;
  };
}

/**
 * Hands a failed or canceled order in once more. The new id follows from the old one, so that the storage keeps one
 * order, however many processes retry it.
 *
 * @returns the record of the order that it came again as
 * @throws OrderError `not_failed`, `history_forgotten`, `order_conflict`, or why the new order is refused
 */
export async function retryOrder(
  sources: Sources,
  id: string,
  overflow: Overflow,
  signal: AbortSignal | undefined,
): Promise<OrderRecord> {
  const { admission } = sources;
  await settledIfFailing(sources, id, signal);
  const stored = await admission.known.stored(id);
  checkFailed(id, stored);
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

/** Its caller may have been notified before its steps and compensations have ended. */
async function settledIfFailing(
  { admission, inFlight, heldLanes }: Sources,
  id: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const job = inFlight.get(id);
  if (job === undefined || !admission.known.ownsId(job)) return;
  if (heldLanes.isHeldBy(job)) {
    const message = "The order holds its user's lane: `release` the lane with 'retry'";
    throw new OrderError('not_failed', message, job.facts);
  }
  if (toldOf(job) === undefined) throw notSettled(job.facts);
  const end = admission.awaited.begin(job);
  const ended = (): OrderError => waitingEnded(id, signal);
  await untilAbort<void>(signal, ended, (resolve) => {
    void job.outcome().then(() => resolve());
    return undefined;
  }).finally(end);
}

function checkFailed(id: string, stored: StoredOrder | undefined): asserts stored is StoredOrder {
  if (stored === undefined) {
    const message =
      'No order has this id, or it is forgotten; submit an order again that was refused';
    throw new OrderError('not_failed', message, { orderId: id });
  }
  const { userId, status } = stored;
  if (stored.settledAt === undefined) throw notSettled({ orderId: id, userId });
  if (status !== 'completed') return;
  throw new OrderError('not_failed', 'The order has completed', { orderId: id, userId });
}

function notSettled(facts: { readonly orderId: string; readonly userId: string }): OrderError {
  return new OrderError('not_failed', 'The order is not settled yet', facts);
}
