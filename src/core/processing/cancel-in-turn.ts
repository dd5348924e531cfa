import type { Job } from '../lifecycle/job.ts';
import { OrderError } from '../order/order-error.ts';
import type { UnfulfilledOutcome } from '../order/outcome.ts';
import type { Cancellation } from '../runtime/abort.ts';

/**
 * Resolves when the order is settled, with whether this call canceled it.
 *
 * @param cancelNow - cancels the order; false if it is decided
 */
export function cancelOrder(
  job: Job,
  holdsLane: boolean,
  cancelNow: () => boolean,
): Promise<boolean> {
  return new Promise((resolve) => {
    // It was certain before that it fails or is canceled.
    if (job.entry?.decided !== undefined && !holdsLane) return resolve(false);
    job.follow({
      notify: (outcome, isSettled) => {
        const isCanceled = outcome.status === 'canceled';
        // A storage that fails may settle it later.
        if (isCanceled || isSettled) resolve(isCanceled);
        return isCanceled || isSettled;
      },
    });
    if (!cancelNow()) resolve(false);
  });
}

/**
 * Cancels an order that waits and whose steps may have begun before a restart: they are compensated when its
 * turn comes.
 *
 * @param notified - called when the cancellation is certain
 * @returns false if the order is decided already, undefined for any other order
 */
export function cancelInTurn(
  { entry, state, facts }: Job,
  { code: reason = 'canceled', message, cause }: Cancellation,
  notified: (outcome: UnfulfilledOutcome) => void,
): boolean | undefined {
  if (state !== 'pending' || entry === undefined || entry.attempt === 1) return undefined;
  if (entry.decided !== undefined || entry.canceled !== undefined) return false;
  const error = new OrderError(reason, message, { ...facts, outcome: 'canceled', cause });
  notified({ status: 'canceled', error });
  const { code, retryable } = error;
  entry.canceled = { outcome: 'canceled', code, message, retryable };
  return true;
}
