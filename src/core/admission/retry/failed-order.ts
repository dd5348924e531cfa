import type { InFlightOrders } from '../../lifecycle/in-flight-orders.ts';
import { type Job, notifiedOf } from '../../lifecycle/job.ts';
import { OrderError } from '../../order/order-error.ts';
import { waitingEnded } from '../../order/processor-errors.ts';
import type { StoredOrder } from '../../order/stored-order.ts';
import { untilAbort } from '../../runtime/abort.ts';
import type { StoredHold } from '../../storage/holds/hold.ts';
import type { Admission } from '../admission.ts';

type Facts = Pick<Job['facts'], 'orderId' | 'userId'>;

/** What is needed to find a failed order. */
export interface FailedOrderSources {
  readonly admission: Admission;
  readonly inFlight: InFlightOrders;
  readonly heldLanes: {
    /** Whether a failed order holds its lane. */
    isHeldBy(job: Job): boolean;
    /** The hold of a user, as the storage has it, where several processors share one. */
    holdOf(userId: string): Promise<StoredHold | undefined>;
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
  await checkFailed(sources, id, stored);
  return stored as StoredOrder;
}

async function settledIfFailing(
  { admission, inFlight, heldLanes }: FailedOrderSources,
  id: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const job = inFlight.get(id);
  if (job === undefined || !admission.known.ownsId(job)) return;
  if (heldLanes.isHeldBy(job)) throw holdsItsLane(job.facts);
  if (notifiedOf(job) === undefined) throw await notSettled(heldLanes, job.facts);
  const end = admission.awaited.begin(job);
  const ended = (): OrderError => waitingEnded({ orderId: id }, signal);
  await untilAbort<void>(signal, ended, (resolve) => {
    void job.outcome().then(() => resolve());
    return undefined;
  }).finally(end);
}

async function checkFailed(
  { heldLanes }: FailedOrderSources,
  id: string,
  stored: StoredOrder | undefined,
): Promise<void> {
  if (stored === undefined) {
    const message =
      'No order has this id, or it is forgotten; submit an order again that was refused';
    throw new OrderError('not_failed', message, { orderId: id });
  }
  const { userId, status } = stored;
  if (stored.settledAt === undefined) throw await notSettled(heldLanes, { orderId: id, userId });
  if (status !== 'completed') return;
  throw new OrderError('not_failed', 'The order has completed', { orderId: id, userId });
}

/** An unsettled order. It may hold its lane at another processor. */
async function notSettled(
  heldLanes: FailedOrderSources['heldLanes'],
  facts: Facts,
): Promise<OrderError> {
  const hold = await heldLanes.holdOf(facts.userId);
  if (hold?.orderId === facts.orderId) return holdsItsLane(facts);
  return new OrderError('not_failed', 'The order is not settled yet', facts);
}

function holdsItsLane(facts: Facts): OrderError {
  const message =
    "The order holds its user's lane: `release` it with 'retry' to run it again, or with 'skip' to settle it as failed";
  return new OrderError('not_failed', message, facts);
}
