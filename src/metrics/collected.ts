import type { Observer } from './observer.ts';

/** A metric whose value is read when the metrics are collected. */
export interface Collected {
  readonly kind: 'counter' | 'gauge';
  readonly name: string;
  readonly help: string;
  /** In the notation of UCUM; what is counted stands in braces. */
  readonly unit: string;
  /** Its label beside the constant ones. */
  readonly label?: string;
  /** Its value, or its values by that label's; `undefined` if there is none. */
  read(observer: Observer): number | ReadonlyMap<string, number> | undefined;
}

export const collected: readonly Collected[] = [
  {
    kind: 'counter',
    name: 'orders_accepted_total',
    unit: '{order}',
    help: 'Orders accepted.',
    read: ({ stats }) => stats.accepted,
  },
  {
    kind: 'counter',
    name: 'orders_refused_total',
    unit: '{order}',
    help: 'Orders refused, by code; they were never accepted.',
    label: 'code',
    read: ({ refused }) => refused.counts,
  },
  {
    kind: 'counter',
    name: 'orders_duplicate_total',
    unit: '{order}',
    help: 'Orders handed in again whose id and content were known, in flight or settled.',
    read: ({ stats }) => stats.duplicates,
  },
  {
    kind: 'counter',
    name: 'orders_recovered_total',
    unit: '{order}',
    help: 'Orders recovered that the previous process left unsettled; not among the accepted.',
    read: ({ stats }) => stats.recovered,
  },
  {
    kind: 'counter',
    name: 'orders_completed_total',
    unit: '{order}',
    help: 'Orders settled as completed: their amounts are in the balances.',
    read: ({ stats }) => stats.completed,
  },
  {
    kind: 'counter',
    name: 'orders_failed_total',
    unit: '{order}',
    help: 'Orders settled as failed, by code.',
    label: 'code',
    read: ({ failed }) => failed.counts,
  },
  {
    kind: 'counter',
    name: 'orders_canceled_total',
    unit: '{order}',
    help: 'Orders settled as canceled.',
    read: ({ stats }) => stats.canceled,
  },
  {
    kind: 'counter',
    name: 'step_retries_total',
    unit: '{attempt}',
    help: 'Attempts at a step that failed and were followed by another, by step.',
    label: 'step',
    read: ({ stepRetries }) => stepRetries,
  },
  {
    kind: 'counter',
    name: 'compensation_retries_total',
    unit: '{attempt}',
    help: 'Attempts at the compensation of a step that failed and were followed by another, by step.',
    label: 'step',
    read: ({ compensationRetries }) => compensationRetries,
  },
  {
    kind: 'counter',
    name: 'storage_failures_total',
    unit: '{call}',
    help: 'Calls of the storage that failed, by operation (accept, settle, remember).',
    label: 'operation',
    read: ({ storageFailures }) => storageFailures,
  },
  {
    kind: 'gauge',
    name: 'orders_waiting',
    unit: '{order}',
    help: 'Accepted orders whose processing has not begun: the depth of the queue.',
    read: ({ stats }) => stats.queueLength,
  },
  {
    kind: 'gauge',
    name: 'orders_unsettled',
    unit: '{order}',
    help: 'Accepted orders without an outcome, waiting or under way; bounded by the option capacity.',
    read: ({ stats }) => stats.unsettled,
  },
  {
    kind: 'gauge',
    name: 'orders_scheduled',
    unit: '{order}',
    help: 'Accepted orders whose notBefore has not come; they are not among the unsettled.',
    read: ({ stats }) => stats.scheduled,
  },
  {
    kind: 'gauge',
    name: 'orders_stalled',
    unit: '{order}',
    help: 'Orders that hold their users for longer than they should; each holds up one user.',
    read: ({ stats }) => stats.stalled,
  },
  {
    kind: 'gauge',
    name: 'lanes_held',
    unit: '{lane}',
    help: 'Users whose lanes are held: none of their orders begins before a release.',
    read: ({ stats }) => stats.heldLanes,
  },
  {
    kind: 'gauge',
    name: 'orders_held',
    unit: '{order}',
    help: 'Accepted orders that wait in held lanes; they are among the waiting.',
    read: ({ stats }) => stats.heldOrders,
  },
  {
    kind: 'gauge',
    name: 'oldest_hold_seconds',
    unit: 's',
    help: 'For how long the oldest hold has held its lane, in seconds; 0 if none does.',
    read: ({ stats }) => stats.oldestHoldMs / 1_000,
  },
  {
    kind: 'gauge',
    name: 'oldest_wait_seconds',
    unit: 's',
    help: 'How long the oldest waiting order has waited, in seconds; 0 if none waits.',
    read: ({ stats }) => stats.oldestWaitMs / 1_000,
  },
  {
    kind: 'gauge',
    name: 'waiting_callers',
    unit: '{caller}',
    help: 'Callers that wait for an asynchronous schema or for room.',
    read: ({ stats }) => stats.waitingCallers,
  },
  {
    kind: 'gauge',
    name: 'workers_active',
    unit: '{worker}',
    help: 'Workers that are busy; bounded by the option concurrency.',
    read: ({ stats }) => stats.activeWorkers,
  },
  {
    kind: 'gauge',
    name: 'storage_up',
    unit: '{state}',
    help: 'Whether the storage can keep orders (1) or fails, and orders are refused (0).',
    read: ({ stats }) => (stats.storage === 'failing' ? 0 : 1),
  },
  {
    kind: 'gauge',
    name: 'storage_file_bytes',
    unit: 'By',
    help: 'Size of the file of the storage, in bytes; absent if the storage does not say.',
    read: ({ stats }) => stats.storageSizes?.fileBytes,
  },
  {
    kind: 'gauge',
    name: 'storage_log_bytes',
    unit: 'By',
    help: 'Size of the log beside the file of the storage, in bytes; absent if the storage does not say.',
    read: ({ stats }) => stats.storageSizes?.logBytes,
  },
  {
    kind: 'gauge',
    name: 'cluster_member',
    unit: '{state}',
    help: 'Whether this processor is one of those that share the storage (1), or interrupted (0); absent if none share it.',
    read: ({ stats: { cluster } }) => cluster && Number(cluster.isMember),
  },
  {
    kind: 'gauge',
    name: 'cluster_processors',
    unit: '{processor}',
    help: 'Processors that share the storage, this one included.',
    read: ({ stats }) => stats.cluster?.processors.length,
  },
  {
    kind: 'gauge',
    name: 'cluster_partitions_owned',
    unit: '{partition}',
    help: 'Partitions that this processor owns.',
    read: ({ stats }) => stats.cluster?.ownedPartitions,
  },
  {
    kind: 'gauge',
    name: 'cluster_partitions_free',
    unit: '{partition}',
    help: 'Partitions that no processor owns: their orders wait.',
    read: ({ stats }) => stats.cluster?.freePartitions,
  },
  {
    kind: 'gauge',
    name: 'cluster_backlog',
    unit: '{order}',
    help: 'Unsettled orders of all processors whose time has come; above 100 000 it may be an estimate.',
    read: ({ stats }) => stats.cluster?.backlog,
  },
  {
    kind: 'gauge',
    name: 'cluster_oldest_wait_seconds',
    unit: 's',
    help: 'For how long the oldest unsettled order of all processors has been accepted, in seconds; 0 if there is none.',
    read: ({ stats: { cluster } }) => cluster && cluster.oldestWaitMs / 1_000,
  },
  {
    kind: 'gauge',
    name: 'cluster_oldest_beat_seconds',
    unit: 's',
    help: 'How old the oldest sign of life of a processor was, in seconds.',
    read: ({ stats: { cluster } }) =>
      cluster && Math.max(0, ...cluster.processors.map(({ beatAgeMs }) => beatAgeMs)) / 1_000,
  },
  {
    kind: 'gauge',
    name: 'cluster_age_seconds',
    unit: 's',
    help: 'How long ago the other metrics of the cluster were read from the storage, in seconds.',
    read: ({ stats: { cluster } }) => cluster && cluster.ageMs / 1_000,
  },
  {
    kind: 'gauge',
    name: 'recovering',
    unit: '{state}',
    help: 'Whether orders that the previous process left are being recovered (1) or not (0).',
    read: ({ stats }) => (stats.storage === 'recovering' ? 1 : 0),
  },
  {
    kind: 'gauge',
    name: 'paused',
    unit: '{state}',
    help: 'Whether the whole processor is paused (1) or not (0).',
    read: ({ stats }) => (stats.isPaused ? 1 : 0),
  },
];
