import type { AllSeries, Observer } from './observer.ts';
import type { ObserveBuckets } from './options.ts';

/** A metric whose value is read when it is scraped. */
export interface Collected {
  readonly kind: 'counter' | 'gauge';
  readonly name: string;
  readonly help: string;
  /** Its label beside the constant ones. */
  readonly label?: string;
  /** Its value, or its values by that label's; `undefined` if there is none. */
  read(observer: Observer): number | ReadonlyMap<string, number> | undefined;
}

/** A histogram, which is filled by events. */
export interface Recorded {
  readonly name: string;
  readonly help: string;
  /** Its labels beside the constant ones. */
  readonly labels: readonly string[];
  readonly buckets: keyof ObserveBuckets;
}

export const collected: readonly Collected[] = [
  {
    kind: 'counter',
    name: 'orders_accepted_total',
    help: 'Orders accepted.',
    read: ({ stats }) => stats.accepted,
  },
  {
    kind: 'counter',
    name: 'orders_refused_total',
    help: 'Orders refused, by code; they were never accepted.',
    label: 'code',
    read: ({ refused }) => refused.counts,
  },
  {
    kind: 'counter',
    name: 'orders_duplicate_total',
    help: 'Orders handed in again whose id and content were known, in flight or settled.',
    read: ({ stats }) => stats.duplicates,
  },
  {
    kind: 'counter',
    name: 'orders_recovered_total',
    help: 'Orders recovered that the previous process left unsettled; not among the accepted.',
    read: ({ stats }) => stats.recovered,
  },
  {
    kind: 'counter',
    name: 'orders_completed_total',
    help: 'Orders settled as completed: their amounts are in the balances.',
    read: ({ stats }) => stats.completed,
  },
  {
    kind: 'counter',
    name: 'orders_failed_total',
    help: 'Orders settled as failed, by code.',
    label: 'code',
    read: ({ failed }) => failed.counts,
  },
  {
    kind: 'counter',
    name: 'orders_canceled_total',
    help: 'Orders settled as canceled.',
    read: ({ stats }) => stats.canceled,
  },
  {
    kind: 'counter',
    name: 'step_retries_total',
    help: 'Attempts at a step that failed and were followed by another, by step.',
    label: 'step',
    read: ({ stepRetries }) => stepRetries,
  },
  {
    kind: 'counter',
    name: 'compensation_retries_total',
    help: 'Attempts at the compensation of a step that failed and were followed by another, by step.',
    label: 'step',
    read: ({ compensationRetries }) => compensationRetries,
  },
  {
    kind: 'counter',
    name: 'storage_failures_total',
    help: 'Calls of the storage that failed, by operation (accept, settle, remember).',
    label: 'operation',
    read: ({ storageFailures }) => storageFailures,
  },
  {
    kind: 'gauge',
    name: 'orders_waiting',
    help: 'Accepted orders whose processing has not begun: the depth of the queue.',
    read: ({ stats }) => stats.queueLength,
  },
  {
    kind: 'gauge',
    name: 'orders_unsettled',
    help: 'Accepted orders without an outcome, waiting or under way; bounded by the option capacity.',
    read: ({ stats }) => stats.unsettled,
  },
  {
    kind: 'gauge',
    name: 'orders_scheduled',
    help: 'Accepted orders whose notBefore has not come; they are not among the unsettled.',
    read: ({ stats }) => stats.scheduled,
  },
  {
    kind: 'gauge',
    name: 'orders_stalled',
    help: 'Orders that hold their users for longer than they should; each holds up one user.',
    read: ({ stats }) => stats.stalled,
  },
  {
    kind: 'gauge',
    name: 'lanes_held',
    help: 'Users whose lanes are held: none of their orders begins before a release.',
    read: ({ stats }) => stats.heldLanes,
  },
  {
    kind: 'gauge',
    name: 'orders_held',
    help: 'Accepted orders that wait in held lanes; they are among the waiting.',
    read: ({ stats }) => stats.heldOrders,
  },
  {
    kind: 'gauge',
    name: 'oldest_hold_seconds',
    help: 'For how long the oldest hold has held its lane, in seconds; 0 if none does.',
    read: ({ stats }) => stats.oldestHoldMs / 1_000,
  },
  {
    kind: 'gauge',
    name: 'oldest_wait_seconds',
    help: 'How long the oldest waiting order has waited, in seconds; 0 if none waits.',
    read: ({ stats }) => stats.oldestWaitMs / 1_000,
  },
  {
    kind: 'gauge',
    name: 'waiting_callers',
    help: 'Callers that wait for an asynchronous schema or for room.',
    read: ({ stats }) => stats.waitingCallers,
  },
  {
    kind: 'gauge',
    name: 'workers_active',
    help: 'Workers that are busy; bounded by the option concurrency.',
    read: ({ stats }) => stats.activeWorkers,
  },
  {
    kind: 'gauge',
    name: 'storage_up',
    help: 'Whether the storage can keep orders (1) or fails, and orders are refused (0).',
    read: ({ stats }) => (stats.storage === 'failing' ? 0 : 1),
  },
  {
    kind: 'gauge',
    name: 'storage_file_bytes',
    help: 'Size of the file of the storage, in bytes; absent if the storage does not say.',
    read: ({ stats }) => stats.storageSizes?.fileBytes,
  },
  {
    kind: 'gauge',
    name: 'storage_log_bytes',
    help: 'Size of the log beside the file of the storage, in bytes; absent if the storage does not say.',
    read: ({ stats }) => stats.storageSizes?.logBytes,
  },
  {
    kind: 'gauge',
    name: 'cluster_member',
    help: 'Whether this processor is one of those that share the storage (1), or interrupted (0); absent if none share it.',
    read: ({ stats: { cluster } }) => cluster && Number(cluster.isMember),
  },
  {
    kind: 'gauge',
    name: 'cluster_processors',
    help: 'Processors that share the storage, this one included.',
    read: ({ stats }) => stats.cluster?.processors.length,
  },
  {
    kind: 'gauge',
    name: 'cluster_partitions_owned',
    help: 'Partitions that this processor owns.',
    read: ({ stats }) => stats.cluster?.ownedPartitions,
  },
  {
    kind: 'gauge',
    name: 'cluster_partitions_free',
    help: 'Partitions that no processor owns: their orders wait.',
    read: ({ stats }) => stats.cluster?.freePartitions,
  },
  {
    kind: 'gauge',
    name: 'cluster_backlog',
    help: 'Unsettled orders of all processors whose time has come; above 100 000 it may be an estimate.',
    read: ({ stats }) => stats.cluster?.backlog,
  },
  {
    kind: 'gauge',
    name: 'cluster_oldest_wait_seconds',
    help: 'For how long the oldest unsettled order of all processors has been accepted, in seconds; 0 if there is none.',
    read: ({ stats: { cluster } }) => cluster && cluster.oldestWaitMs / 1_000,
  },
  {
    kind: 'gauge',
    name: 'cluster_oldest_beat_seconds',
    help: 'How old the oldest sign of life of a processor was, in seconds.',
    read: ({ stats: { cluster } }) =>
      cluster && Math.max(0, ...cluster.processors.map(({ beatAgeMs }) => beatAgeMs)) / 1_000,
  },
  {
    kind: 'gauge',
    name: 'cluster_age_seconds',
    help: 'How long ago the other metrics of the cluster were read from the storage, in seconds.',
    read: ({ stats: { cluster } }) => cluster && cluster.ageMs / 1_000,
  },
  {
    kind: 'gauge',
    name: 'recovering',
    help: 'Whether orders that the previous process left are being recovered (1) or not (0).',
    read: ({ stats }) => (stats.storage === 'recovering' ? 1 : 0),
  },
  {
    kind: 'gauge',
    name: 'paused',
    help: 'Whether the whole processor is paused (1) or not (0).',
    read: ({ stats }) => (stats.isPaused ? 1 : 0),
  },
];

export const recorded: Readonly<Record<keyof AllSeries, Recorded>> = {
  wait: {
    name: 'order_wait_seconds',
    help: 'How long settled orders had waited for their turn, in seconds.',
    labels: [],
    buckets: 'wait',
  },
  duration: {
    name: 'order_duration_seconds',
    help: 'How long orders were processed and settled, in seconds, by outcome (completed, failed, canceled).',
    labels: ['outcome'],
    buckets: 'duration',
  },
  step: {
    name: 'step_duration_seconds',
    help: 'How long steps took, in seconds, pauses before retries included, by step and status (ok, error, canceled).',
    labels: ['status', 'step'],
    buckets: 'step',
  },
  compensation: {
    name: 'compensation_duration_seconds',
    help: 'How long compensations took, in seconds, pauses before retries included, by step and status (ok, error).',
    labels: ['status', 'step'],
    buckets: 'step',
  },
  storageBatch: {
    name: 'storage_batch_size',
    help: 'How many orders a call of the storage took, by operation (accept, settle, remember).',
    labels: ['operation'],
    buckets: 'storageBatch',
  },
  storageCall: {
    name: 'storage_call_duration_seconds',
    help: 'How long calls of the storage took, in seconds, by operation (accept, settle, remember).',
    labels: ['operation'],
    buckets: 'storageCall',
  },
};
