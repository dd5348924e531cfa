import type { StorageSizes } from '../storage/balance-storage.ts';
import type { ClusterStats } from '../storage/shared-storage.ts';

/** How long the older half of a percentile's window may be, in milliseconds. */
const windowMs = 60_000;

/** Values below this have a bucket each; above, each doubling has this many half as wide. */
const exact = 32;
/** A longer time counts as this. */
const longest = 0x7fffffff;
const buckets = exact + (31 - 5) * (exact / 2);

/**
 * A duration's spread over the last one to two minutes.
 *
 * @category Events and numbers
 */
export interface Percentiles {
  /** Half of the values are at most this many milliseconds; up to 1/16 too high, as the two below. */
  readonly p50: number;
  /** 95 of 100 are at most this many milliseconds. */
  readonly p95: number;
  /** 99 of 100 are at most this many milliseconds. */
  readonly p99: number;
  /** The greatest, in milliseconds; exact. */
  readonly max: number;
  /** The arithmetic mean, in milliseconds; exact. */
  readonly mean: number;
}

/**
 * Counts waiting times and durations, in whole milliseconds, in buckets that are at most 1/16 wide,
 * over the current minute and the one before. Recording costs an increment or two; the size is fixed.
 */
export class Timings {
  readonly #waits = new Histogram();
  readonly #durations = new Histogram();
  #startedAt = 0;
  /** Orders that neither waited nor took any time, as most orders without steps: not in the buckets yet. */
  #instants = 0;

  record(waitMs: number, durationMs: number, now: number): void {
    this.rotate(now);
    if (waitMs <= 0 && durationMs <= 0) {
      this.recordInstant();
      return;
    }
    this.#waits.count(waitMs);
    this.#durations.count(durationMs);
  }

  /** Counts an order that neither waited nor took any time; `rotate` must have been called at this time. */
  recordInstant(): void {
    this.#instants += 1;
  }

  percentiles(now: number): { waitMs: Percentiles; durationMs: Percentiles } {
    this.rotate(now);
    this.#countInstants();
    return { waitMs: this.#waits.percentiles(), durationMs: this.#durations.percentiles() };
  }

  #countInstants(): void {
    this.#waits.count(0, this.#instants);
    this.#durations.count(0, this.#instants);
    this.#instants = 0;
  }

  /** Begins a new minute when it is time. */
  rotate(now: number): void {
    if (now - this.#startedAt < windowMs) return;
    this.#countInstants();
    const windows = Math.floor((now - this.#startedAt) / windowMs);
    this.#startedAt += windows * windowMs;
    for (const histogram of [this.#waits, this.#durations]) {
      histogram.rotate();
      if (windows > 1) histogram.rotate();
    }
  }
}

class Histogram {
  #current = new Span();
  #previous = new Span();

  count(duration: number, times = 1): void {
    const span = this.#current;
    const ms = duration > 0 ? Math.min(duration, longest) | 0 : 0;
    const bucket = bucketOf(ms);
    span.counts[bucket] = (span.counts[bucket] as number) + times;
    span.sum += ms;
    if (ms > span.max) span.max = ms;
  }

  rotate(): void {
    this.#previous = this.#current;
    this.#current = new Span();
  }

  percentiles(): Percentiles {
    const spans = [this.#current, this.#previous] as const;
    const counts = spans[0].counts.map((count, at) => count + (spans[1].counts[at] as number));
    const total = counts.reduce((sum, count) => sum + count, 0);
    if (total === 0) return { p50: 0, p95: 0, p99: 0, max: 0, mean: 0 };
    const max = Math.max(spans[0].max, spans[1].max);
    const mean = (spans[0].sum + spans[1].sum) / total;
    const at = (share: number): number => {
      let left = Math.ceil(total * share);
      const bucket = counts.findIndex((count) => {
        left -= count;
        return left <= 0;
      });
      return Math.min(max, upperBound(bucket));
    };
    return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max, mean };
  }
}

/** What one minute holds. */
class Span {
  readonly counts = new Uint32Array(buckets);
  sum = 0;
  max = 0;
}

function bucketOf(ms: number): number {
  if (ms < exact) return ms;
  const doubling = 31 - Math.clz32(ms) - 5;
  const half = exact / 2;
  return exact + doubling * half + ((ms >> (doubling + 1)) - half);
}

/** The greatest value that falls into a bucket. */
function upperBound(bucket: number): number {
  if (bucket < exact) return bucket;
  const half = exact / 2;
  const doubling = Math.floor((bucket - exact) / half);
  const step = (bucket - exact) % half;
  return (half + step + 1) * 2 ** (doubling + 1) - 1;
}

/** Everything a processor counts; see {@link ProcessorStats} for each. */
export class Counts {
  accepted = 0;
  refused = 0;
  duplicates = 0;
  completed = 0;
  failed = 0;
  canceled = 0;

  get settled(): number {
    return this.completed + this.failed + this.canceled;
  }
}

/**
 * What `stats()` answers. Counts are since the processor was made. Where several processors share the storage, all but
 * `cluster` is of this one alone: what it has accepted, and what of all orders it has processed.
 *
 * @category Events and numbers
 */
export interface ProcessorStats {
  /** `'running'`, then `'draining'` from the call of `shutdown` on, then `'closed'`. */
  readonly state: 'running' | 'draining' | 'closed';
  /**
   * `'recovering'` while orders are taken up that an earlier process left unsettled, and new ones wait; `'failing'`
   * after a call of the storage has failed until it works again, while a call is not answered, and while the processor is
   * not a member of its `cluster`: new orders are refused with `storage_failed`.
   */
  readonly storage: 'ready' | 'recovering' | 'failing';
  /** How much room the storage takes, if it says so, as `SqliteStorage` does: its file and its log. */
  readonly storageSizes: StorageSizes | undefined;
  /** What is known of all processors, where several share the storage and it says so, as `PostgresStorage` does. */
  readonly cluster: ClusterStats | undefined;
  /** Orders taken up that an earlier process left unsettled; they do not count in `accepted`. */
  readonly recovered: number;
  /** Whether the whole processor is paused. */
  readonly isPaused: boolean;
  /** How many orders may be `unsettled`: the option of this name, its default included. */
  readonly capacity: number;
  /** How many workers may be active: the option of this name, its default included. */
  readonly concurrency: number;
  /** Orders accepted. */
  readonly accepted: number;
  /** Orders refused. */
  readonly refused: number;
  /** Orders whose id and content were known already, in flight or settled. */
  readonly duplicates: number;
  /** Orders settled as completed. */
  readonly completed: number;
  /** Orders settled as failed. */
  readonly failed: number;
  /** Orders settled as canceled. */
  readonly canceled: number;
  /** Accepted orders whose processing has not begun. */
  readonly queueLength: number;
  /** Callers that wait for an asynchronous `schema`, or for room with `overflow: 'wait'`. */
  readonly waitingCallers: number;
  /**
   * Orders without an outcome that have a permit of `capacity`: accepted orders, waiting or under way, and orders on
   * their way into the storage, which are not accepted yet.
   */
  readonly unsettled: number;
  /**
   * Accepted orders whose `notBefore` has not come, those that only the storage has included; they are not among
   * `unsettled`. If several processors share the storage, those that are awaited here.
   */
  readonly scheduled: number;
  /** Workers that are busy, at most `concurrency`. A stalled order whose signal has aborted has none. */
  readonly activeWorkers: number;
  /** Orders that hold their user long after they should have ended; see the `stalled` event. */
  readonly stalled: number;
  /**
   * Users whose lanes are held; see {@link OrderProcessor.hold}. If several processors share the storage, those of the
   * partitions that this one owns.
   */
  readonly heldLanes: number;
  /** Accepted orders that wait in held lanes; they are among `queueLength`. */
  readonly heldOrders: number;
  /** For how long the oldest of these holds has held its lane, in milliseconds; 0 if none does. */
  readonly oldestHoldMs: number;
  /** Waiting times of the last one to two minutes. */
  readonly waitMs: Percentiles;
  /** Durations of processing, settlement included, of the last one to two minutes. */
  readonly durationMs: Percentiles;
  /** For how long the oldest waiting order has waited, in milliseconds; 0 if none waits. */
  readonly oldestWaitMs: number;
  /** Milliseconds since the processor was made. */
  readonly uptimeMs: number;
}
