import { Job } from '../../lifecycle/job.ts';
import type { OrderRecord } from '../../order/outcome.ts';
import { recordOf } from '../../order/record.ts';
import type { CompensationsAgain } from '../../processing/compensations/compensations-again.ts';
import type { LaneRequests } from '../../processing/requests/lane-requests.ts';
import type { Clock } from '../../runtime/clock.ts';
import { isUncompensated } from '../../steps/run/compensation-run.ts';
import { type FailedOrderSources, failedOrder } from './failed-order.ts';

interface Sources extends FailedOrderSources {
  readonly clock: Clock;
  readonly compensations: CompensationsAgain;
  readonly laneRequests: LaneRequests | undefined;
}

/**
 * Runs the compensations of a settled order once more that have failed, where its user's lane is.
 *
 * @returns the order's record after that
 * @throws OrderError `not_failed`, `deadlock`, `shut_down`, `storage_failed`; TypeError if a step is missing by now
 */
export async function compensateOrder(sources: Sources, id: string): Promise<OrderRecord> {
  const { admission, clock, compensations, laneRequests } = sources;
  const stored = await failedOrder(sources, id, undefined);
  if (laneRequests === undefined) return recordOf(await compensations.run(stored));
  if (!stored.steps.some(isUncompensated)) return recordOf(stored);
  // The owner may be this processor: a step that awaits this would wait for the end of its own order.
  const end = admission.awaited.begin(Job.recovered(stored, clock));
  await laneRequests.compensate(stored.userId, id).finally(end);
  return recordOf((await admission.known.stored(id)) ?? stored);
}
