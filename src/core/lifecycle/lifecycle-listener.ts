import type { Clock } from '../runtime/clock.ts';
import type { TracedProcessor } from '../tracing/operation.ts';
import type { UnsettledWork } from './idleness.ts';
import type { InFlightOrders } from './in-flight-orders.ts';
import type { Job } from './job.ts';

/** Follows the moves for the other stages; connected once, where the stages are put together. */
export interface LifecycleListener extends UnsettledWork {
  /** The order no longer holds its user, unless its steps run. */
  laneFreed(job: Job): void;
  /** The settlement that was to accept the order has been answered. */
  acceptedBySettlement(job: Job): void;
  /** The order is in flight no longer. There may be room for one more order, and for one of its user. */
  left(job: Job): void;
}

/** What a `Lifecycle` needs of others. */
export interface LifecycleSources {
  readonly clock: Clock;
  readonly inFlight: InFlightOrders;
  /** Gives the next place in the order of acceptance; 0 where the storage gives it. */
  nextSequence(): number;
  /** Whether the storage keeps orders. */
  readonly isKeeping: boolean;
  readonly traced: TracedProcessor;
}
