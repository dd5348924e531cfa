import type { AllSeries } from './observer.ts';

/** What a histogram's buckets are for. */
export type BucketsName = 'wait' | 'duration' | 'step' | 'storageBatch' | 'storageCall';

/** A histogram, which is filled by events. */
export interface Recorded {
  readonly name: string;
  readonly help: string;
  /** In the notation of UCUM; what is counted stands in braces. */
  readonly unit: string;
  /** Its labels beside the constant ones. */
  readonly labels: readonly string[];
  readonly buckets: BucketsName;
}

export const recorded: Readonly<Record<keyof AllSeries, Recorded>> = {
  wait: {
    name: 'order_wait_seconds',
    unit: 's',
    help: 'How long settled orders had waited for their turn, in seconds.',
    labels: [],
    buckets: 'wait',
  },
  duration: {
    name: 'order_duration_seconds',
    unit: 's',
    help: 'How long orders were processed and settled, in seconds, by outcome (completed, failed, canceled).',
    labels: ['outcome'],
    buckets: 'duration',
  },
  step: {
    name: 'step_duration_seconds',
    unit: 's',
    help: 'How long steps took, in seconds, pauses before retries included, by step and status (ok, error, canceled).',
    labels: ['status', 'step'],
    buckets: 'step',
  },
  compensation: {
    name: 'compensation_duration_seconds',
    unit: 's',
    help: 'How long compensations took, in seconds, pauses before retries included, by step and status (ok, error).',
    labels: ['status', 'step'],
    buckets: 'step',
  },
  storageBatch: {
    name: 'storage_batch_size',
    unit: '{order}',
    help: 'How many orders a call of the storage took, by operation (accept, settle, remember).',
    labels: ['operation'],
    buckets: 'storageBatch',
  },
  storageCall: {
    name: 'storage_call_duration_seconds',
    unit: 's',
    help: 'How long calls of the storage took, in seconds, by operation (accept, settle, remember).',
    labels: ['operation'],
    buckets: 'storageCall',
  },
};

const seconds = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300,
];

/** The upper bounds of the histograms' buckets where the host gives no others. */
export const defaultBuckets: Readonly<Record<BucketsName, readonly number[]>> = {
  wait: seconds,
  duration: seconds,
  step: seconds,
  storageBatch: [1, 4, 16, 64, 256, 1024, 4096, 16_384],
  storageCall: [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
  ],
};
