import type { Admission } from './admission/admission.ts';
import type { Capacity } from './admission/capacity.ts';
import type { Availability } from './durability/availability.ts';
import type { Recovery } from './durability/recovery.ts';
import type { InFlightOrders } from './lifecycle/in-flight-orders.ts';
import type { Lifecycle } from './lifecycle/lifecycle.ts';
import type { ProcessorStats } from './lifecycle/stats.ts';
import type { Settings } from './options.ts';
import type { Dispatcher } from './processing/dispatcher.ts';
import type { LanesByPartition } from './processing/holds/lanes-by-partition.ts';
import type { DelayedOrders } from './processing/timing/delayed-orders.ts';
import type { Clock } from './runtime/clock.ts';
import type { Settler } from './settlement/settler.ts';

/** The stages that have something to say. */
interface Stages {
  readonly clock: Clock;
  readonly lifecycle: Lifecycle;
  readonly inFlight: InFlightOrders;
  readonly admission: Admission;
  readonly capacity: Capacity;
  readonly dispatcher: Dispatcher;
  readonly delayed: DelayedOrders;
  readonly heldLanes: LanesByPartition;
  readonly settler: Settler;
  readonly availability: Availability | undefined;
  readonly recovery: Recovery | undefined;
}

/** What the processor and its storage say by themselves. */
export type OwnStats = Pick<ProcessorStats, 'state' | 'storageSizes' | 'cluster'>;

/** What the stages do and have done, beside that. */
export function readStats(
  stages: Stages,
  { capacity, concurrency }: Pick<Settings, 'capacity' | 'concurrency'>,
  own: OwnStats,
): ProcessorStats {
  const { admission, clock, delayed, dispatcher, heldLanes, inFlight, lifecycle } = stages;
  const now = clock.read();
  const isInterrupted = own.cluster?.isMember === false && own.state !== 'closed';
  return {
    ...own,
    storage:
      isInterrupted || isFailing(stages)
        ? 'failing'
        : inFlight.isRecovering
          ? 'recovering'
          : 'ready',
    recovered: stages.recovery?.recovered ?? 0,
    isPaused: dispatcher.isPaused,
    capacity,
    concurrency,
    ...lifecycle.counts,
    queueLength: dispatcher.queue.size,
    waitingCallers: stages.capacity.waitingCallers + admission.waiting,
    unsettled: inFlight.active,
    scheduled: delayed.size,
    activeWorkers: dispatcher.activeWorkers,
    stalled: dispatcher.runner.all.filter(({ isStalled }) => isStalled).length,
    heldLanes: heldLanes.size,
    heldOrders: dispatcher.queue.heldSize,
    oldestHoldMs: heldLanes.oldestMs,
    ...lifecycle.timings.percentiles(now),
    oldestWaitMs: now - (dispatcher.oldestWaiting ?? now),
    uptimeMs: now,
  };
}

function isFailing({ availability, settler }: Stages): boolean {
  return availability === undefined ? settler.isSlow : availability.failure !== undefined;
}
