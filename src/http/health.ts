import type { ProcessorStats } from '../stats.ts';
import { json } from './answers.ts';

type Reason = 'shut_down' | 'storage_failed' | 'recovering' | 'queue_full';

/** Whether orders are taken and settled, and if not, why. */
export function health(stats: ProcessorStats): Response {
  const isFull = stats.unsettled >= stats.capacity;
  return healthOf(isFull ? [...reasonsOf(stats), 'queue_full'] : reasonsOf(stats));
}

/**
 * Whether requests should come here: also not before the orders of an earlier life have been taken up. A
 * full queue says so itself, and with a time to come back.
 */
export function readiness(stats: ProcessorStats): Response {
  const isRecovering = stats.storage === 'recovering';
  return healthOf(isRecovering ? [...reasonsOf(stats), 'recovering'] : reasonsOf(stats));
}

/** Whether the process answers at all; a new one would not mend anything else. */
export function liveness(): Response {
  return healthOf([]);
}

function reasonsOf({ state, storage }: ProcessorStats): Reason[] {
  const reasons: Reason[] = [];
  if (state !== 'running') reasons.push('shut_down');
  if (storage === 'failing') reasons.push('storage_failed');
  return reasons;
}

function healthOf(reasons: readonly Reason[]): Response {
  return reasons.length === 0
    ? json({ status: 'ok', reasons })
    : json({ status: 'unavailable', reasons }, 503, { 'retry-after': '1' });
}
