import type { ProcessorStats } from '../core/lifecycle/stats.ts';
import type { OrderProcessor } from '../core/order-processor.ts';
import { draining } from '../server/listening/server-draining.ts';
import { json } from './answers.ts';

type Reason = 'shut_down' | 'storage_failed' | 'recovering' | 'queue_full';

/** Whether orders are taken and settled, and if not, why. */
export function health(processor: OrderProcessor): Response {
  const stats = processor.stats();
  const reasons = reasonsOf(processor, stats);
  const isFull = stats.unsettled >= stats.capacity;
  return healthOf(isFull ? [...reasons, 'queue_full'] : reasons);
}

/**
 * Whether requests should come here: also not before the orders of an earlier life have been taken up. A
 * full queue says so itself, and with a time to come back.
 */
export function readiness(processor: OrderProcessor): Response {
  const stats = processor.stats();
  const reasons = reasonsOf(processor, stats);
  const isRecovering = stats.storage === 'recovering';
  return healthOf(isRecovering ? [...reasons, 'recovering'] : reasons);
}

/** Whether the process answers at all; a new one would not mend anything else. */
export function liveness(): Response {
  return healthOf([]);
}

function reasonsOf(processor: OrderProcessor, { state, storage }: ProcessorStats): Reason[] {
  const reasons: Reason[] = [];
  // The processor itself shuts down after its server has closed.
  if (state !== 'running' || draining(processor).signal.aborted) reasons.push('shut_down');
  if (storage === 'failing') reasons.push('storage_failed');
  return reasons;
}

function healthOf(reasons: readonly Reason[]): Response {
  return reasons.length === 0
    ? json({ status: 'ok', reasons })
    : json({ status: 'unavailable', reasons }, 503, { 'retry-after': '1' });
}
