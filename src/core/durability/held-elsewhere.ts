import type { Job } from '../lifecycle/job.ts';
import { storageFailed } from '../order/processor-errors.ts';
import type { SharedOrders } from '../storage/shared-storage.ts';

/**
 * Whether a failed order holds its lane, as the storage has it: another processor may own the lane.
 *
 * @throws (rejects) OrderError `storage_failed`
 */
export async function holdsItsLane(
  shared: Pick<SharedOrders, 'holdOf'>,
  job: Job,
): Promise<boolean> {
  try {
    return (await shared.holdOf(job.userId))?.orderId === job.id;
  } catch (cause) {
    throw storageFailed("The storage could not give the hold of the order's lane", cause, job);
  }
}
