import type { ProcessorStats } from '../core/lifecycle/stats.ts';
import type { OrderProcessor } from '../core/order-processor.ts';
import { draining } from '../server/listening/server-draining.ts';
import { json } from './answers.ts';

type Reason = 'shut_down' | 'storage_failed' | 'recovering' | 'queue_full';

/** Whether orders are accepted and settled, and if not, why. */
export function health(processor: OrderProcessor): Response {
  const stats = processor.stats();
  const reasons = reasonsOf(processor, stats);
  const isFull = stats.unsettled >= stats.capacity;
  const { heldLanes, oldestHoldMs } = stats;
  // A held lane is no reason to be unavailable: all other users go on.
  const holds = heldLanes > 0 ? { heldLanes, oldestHoldMs } : {};
  return healthOf(isFull ? [...reasons, 'queue_full'] : reasons, holds);
}

/**
 * Whether requests should be routed here: not before the orders of the previous process are recovered either. A full
 * queue does not count: it refuses orders with `Retry-After`.
 */
export function readiness(processor: OrderProcessor): Response {
  const stats = processor.stats();
  const reasons = reasonsOf(processor, stats);
  const isRecovering = stats.storage === 'recovering';
  return healthOf(isRecovering ? [...reasons, 'recovering'] : reasons);
}

/** Whether the process answers at all: a restart would not help against anything else. */
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

function healthOf(reasons: readonly Reason[], facts: object = {}): Response {
  return reasons.length === 0
    ? json({ status: 'ok', reasons, ...facts })
    : json({ status: 'unavailable', reasons, ...facts }, 503, { 'retry-after': '1' });
}
