import type {
  ProcessorEvents,
  RetriedStep,
  SteppedOrder,
  StoredBatch,
} from '../core/lifecycle/processor-events.ts';
import type { ProcessorStats } from '../core/lifecycle/stats.ts';
import type { OrderError } from '../core/order/order-error.ts';
import type { Receipt } from '../core/order/outcome.ts';
import type { OrderProcessor } from '../core/order-processor.ts';
import { systemTime } from '../core/runtime/system-time.ts';
import { CodeCounts } from './code-counts.ts';

/** The methods of a processor that are used. */
export type Observed = Pick<OrderProcessor, 'on' | 'off' | 'stats'>;

/** Labels with the same values for all metrics of one processor. */
export type Labels = Readonly<Record<string, string>>;

/** One histogram as one processor fills it. */
export interface Series {
  /** @param first - the value of its first label beside the constant ones, without a space */
  observe(value: number, first?: string, second?: string): void;
  /** Removes everything that it has observed, where that is possible. */
  remove(): void;
}

/** The histograms that one processor fills. */
export interface AllSeries {
  readonly wait: Series;
  readonly duration: Series;
  readonly step: Series;
  readonly compensation: Series;
  readonly storageBatch: Series;
  readonly storageCall: Series;
}

type Listener = (payload: unknown) => void;
type Listeners = { [E in keyof ProcessorEvents]?: (payload: ProcessorEvents[E]) => void };

/**
 * Collects what the metrics need of one processor. It listens only to events that `stats()` does not count. It has no
 * listener of `error` or `stalled`: that would silence the warnings of a host that has none.
 */
export class Observer {
  readonly labels: Labels;
  readonly refused = new CodeCounts([
    'invalid_order',
    'order_conflict',
    'rule_refused',
    'queue_full',
    'shut_down',
    'canceled',
    'expired',
    'storage_failed',
    'deadlock',
    'internal',
  ]);
  readonly failed = new CodeCounts([
    'insufficient_funds',
    'balance_overflow',
    'timeout',
    'storage_failed',
    'internal',
  ]);
  readonly stepRetries = new Map<string, number>();
  readonly compensationRetries = new Map<string, number>();
  readonly storageFailures = new Map<string, number>();
  readonly #processor: Observed;
  readonly #series: AllSeries;
  readonly #listeners: Listeners;
  readonly #highest = new Map<string, number>();
  #stats: ProcessorStats | undefined;

  constructor(processor: Observed, labels: Labels, series: AllSeries) {
    this.#processor = processor;
    this.labels = labels;
    this.#series = series;
    this.#listeners = {
      refused: (error) => this.refused.add(error),
      completed: (receipt) => this.#ended(receipt, 'completed'),
      failed: (error) => {
        this.failed.add(error);
        this.#ended(error, 'failed');
      },
      canceled: (error) => this.#ended(error, 'canceled'),
      stepped: (stepped) => this.#stepped(stepped),
      retried: (retried) => this.#retried(retried),
      stored: (stored) => this.#stored(stored),
    };
  }

  /** One answer for all metrics of a scrape, which are read in one turn. */
  get stats(): ProcessorStats {
    if (this.#stats === undefined) {
      this.#stats = this.#processor.stats();
      systemTime.queueMicrotask(() => {
        this.#stats = undefined;
      });
    }
    return this.#stats;
  }

  start(): void {
    for (const [event, listener] of this.#entries())
      this.#processor.on(event, listener as Listener);
  }

  stop(): void {
    for (const [event, listener] of this.#entries())
      this.#processor.off(event, listener as Listener);
    for (const series of Object.values(this.#series) as Series[]) series.remove();
  }

  /** The highest value so far: an order whose id the storage knows leaves the accepted ones, and a counter must not fall. */
  rising(name: string, value: number): number {
    const highest = Math.max(value, this.#highest.get(name) ?? 0);
    this.#highest.set(name, highest);
    return highest;
  }

  #entries(): [keyof ProcessorEvents, (payload: never) => void][] {
    return Object.entries(this.#listeners) as [keyof ProcessorEvents, (payload: never) => void][];
  }

  #ended({ waitMs, durationMs }: Receipt | OrderError, outcome: string): void {
    if (waitMs === undefined || durationMs === undefined) return;
    this.#series.wait.observe(waitMs / 1_000);
    this.#series.duration.observe(durationMs / 1_000, outcome);
  }

  #stepped({ step: { name, status, durationMs, compensation } }: SteppedOrder): void {
    if (compensation === undefined) this.#series.step.observe(durationMs / 1_000, status, name);
    else {
      const seconds = compensation.durationMs / 1_000;
      this.#series.compensation.observe(seconds, compensation.status, name);
    }
  }

  #retried({ step, isCompensation }: RetriedStep): void {
    count(isCompensation ? this.compensationRetries : this.stepRetries, step, 1);
  }

  #stored({ operation, size, durationMs, isFailed }: StoredBatch): void {
    this.#series.storageBatch.observe(size, operation);
    this.#series.storageCall.observe(durationMs / 1_000, operation);
    count(this.storageFailures, operation, isFailed ? 1 : 0);
  }
}

function count(counts: Map<string, number>, key: string, by: number): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}
