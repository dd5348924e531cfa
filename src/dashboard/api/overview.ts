import type { StorageView } from './attention.ts';
import type { Time } from './session.ts';

/** Counts since the processor was made; see `ProcessorStats` of the library. */
export interface StatsView {
  readonly now: Time;
  readonly state: 'running' | 'draining' | 'closed';
  readonly storage: StorageView;
  readonly isPaused: boolean;
  readonly accepted: number;
  readonly refused: number;
  readonly completed: number;
  readonly failed: number;
  readonly canceled: number;
  readonly waiting: number;
  readonly unsettled: number;
  readonly capacity: number;
  readonly scheduled: number;
  readonly activeWorkers: number;
  readonly concurrency: number;
  readonly stalled: number;
  readonly heldLanes: number;
  readonly heldOrders: number;
  readonly oldestWaitMs: number;
  readonly waitMs: PercentilesView;
  readonly durationMs: PercentilesView;
  readonly uptimeMs: number;
  /** The bytes of a storage that says so. */
  readonly storageBytes?: number;
}

export interface PercentilesView {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

export interface OverviewView {
  readonly stats: StatsView;
  readonly series: SeriesView;
}

/** The last hour as far as the dashboard has run in it, the oldest point first. */
export interface SeriesView {
  /** The end of the last point. */
  readonly to: Time;
  readonly stepMs: number;
  readonly points: readonly PointView[];
}

/** One point. Rates are per second; gauges are as of its end; percentiles are of the minute or two before. */
export interface PointView {
  /** Its end. */
  readonly at: Time;
  readonly accepted: number;
  readonly completed: number;
  readonly failed: number;
  readonly canceled: number;
  readonly waiting: number;
  readonly activeWorkers: number;
  readonly waitP50: number;
  readonly waitP95: number;
  readonly waitP99: number;
  readonly durationP50: number;
  readonly durationP95: number;
  readonly durationP99: number;
}

/** The processors that share the storage. */
export interface ProcessorsView {
  readonly now: Time;
  /** Absent where the storage is not shared: then this process is the only one. */
  readonly cluster?: ClusterView;
}

/** What was known of all processors `ageMs` ago. */
export interface ClusterView {
  readonly ageMs: number;
  /** Whether this process is one of them now. */
  readonly isMember: boolean;
  /** In the order in which they joined. */
  readonly processors: readonly ProcessorView[];
  readonly partitions: number;
  readonly ownedPartitions: number;
  readonly freePartitions: number;
  /** Unsettled orders of all processors; above 100 000 it may be an estimate. */
  readonly backlog: number;
  readonly oldestWaitMs: number;
}

export interface ProcessorView {
  /** Two may have one name. */
  readonly name: string;
  readonly isSelf: boolean;
  readonly joinedAt: Time;
  /** How old its last sign of life was. */
  readonly beatAgeMs: number;
  /** How many partitions it owned. */
  readonly partitions: number;
}
