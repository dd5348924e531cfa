import type { InFlightOrders } from '../../lifecycle/in-flight-orders.ts';
import { type Job, notifiedOf } from '../../lifecycle/job.ts';
import { OrderError } from '../../order/order-error.ts';
import { waitingEnded } from '../../order/processor-errors.ts';
import type { StoredOrder } from '../../order/stored-order.ts';
import { untilAbort } from '../../runtime/abort.ts';
import type { Admission } from '../admission.ts';

/** What is needed to find a failed order. */
export interface FailedOrderSources {
  readonly admission: Admission;
  readonly inFlight: InFlightOrders;
  readonly heldLanes: {
    /** Whether a failed order holds its lane. */
    isHeldBy(job: Job): boolean;
  };
}

/**
 * The order of an id that failed or was canceled. Where its caller was notified while its steps end, it waits for that.
 *
 * @throws OrderError `not_failed`, `deadlock`, `storage_failed`, `canceled` by the signal
 */
export async function failedOrder(
  sources: FailedOrderSources,
  id: string,
  signal: AbortSignal | undefined,
): Promise<StoredOrder> {
  await settledIfFailing(sources, id, signal);
  const stored = await sources.admission.known.stored(id);
  checkFailed(id, stored);
  return stored;
}

async function settledIfFailing(
  { admission, inFlight, heldLanes }: FailedOrderSources,
  id: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const job = inFlight.get(id);
  if (job === undefined || !admission.known.ownsId(job)) return;
  if (heldLanes.isHeldBy(job)) {
    const message =
      "The order holds its user's lane: `release` it with 'retry' to run it again, or with 'skip' to settle it as failed";
    throw new OrderError('not_failed', message, job.facts);
  }
  if (notifiedOf(job) === undefined) throw notSettled(job.facts);
  const end = admission.awaited.begin(job);
  const ended = (): OrderError => waitingEnded({ orderId: id }, signal);
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
