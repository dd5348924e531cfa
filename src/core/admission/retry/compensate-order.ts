import type { OrderRecord } from '../../order/outcome.ts';
import { recordOf } from '../../order/record.ts';
import type { CompensationsAgain } from '../../processing/compensations/compensations-again.ts';
import { type FailedOrderSources, failedOrder } from './failed-order.ts';

interface Sources extends FailedOrderSources {
  readonly compensations: CompensationsAgain;
}

/**
 * Runs the compensations of a settled order once more that have failed.
 *
 * @returns the order's record after that
 * @throws OrderError `not_failed`, `deadlock`, `shut_down`, `storage_failed`; TypeError if a step is missing by now, or
 *   if several processors share the storage
 */
export async function compensateOrder(sources: Sources, id: string): Promise<OrderRecord> {
  const { admission, compensations } = sources;
  if (admission.known.isShared) {
    // Only the owner of its user's partition has the lane, and the storage does not say who that is.
    throw new TypeError('Expected the storage not to be shared by several processors');
  }
  const stored = await failedOrder(sources, id, undefined);
  const after = await compensations.run(stored);
  return recordOf(after);
}
