import type { ProcessorStats } from '../../core/lifecycle/stats.ts';
import type { PointView } from '../api.ts';

/** How many seconds are kept. */
export const keptSeconds = 3_600;

/** What a point has beside its time. The first four are counted in the second, the others as of its end. */
const fields = [
  'accepted',
  'completed',
  'failed',
  'canceled',
  'waiting',
  'activeWorkers',
  'waitP50',
  'waitP95',
  'waitP99',
  'durationP50',
  'durationP95',
  'durationP99',
] as const;
const width = fields.length + 1;
const counted = 4;

type Field = (typeof fields)[number];
type Sample = Readonly<Record<Field, number>>;

/** What a processor did in each second of the last hour, in memory of a fixed size. */
export class Series {
  readonly #values = new Float64Array(keptSeconds * width);
  /** How many seconds were added. */
  #count = 0;
  /** The first one that is kept. */
  #first = 0;
  #last: ProcessorStats | undefined;
  readonly #now: () => number;

  /** @param now - what time it is, in Unix milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** @param at - in Unix milliseconds */
  add(stats: ProcessorStats, at: number): void {
    const last = this.#last;
    this.#last = stats;
    // The counts of the first call are of no second.
    if (last === undefined) return;
    const seconds = Math.max(0.001, (stats.uptimeMs - last.uptimeMs) / 1_000);
    const sample = sampleOf(stats);
    const before = sampleOf(last);
    // A clock that was set back: those seconds come again.
    while (this.#count > this.#first && this.#at(this.#count - 1) > at) this.#count -= 1;
    const place = (this.#count % keptSeconds) * width;
    this.#values[place] = at;
    for (const [index, field] of fields.entries()) {
      const isCount = index < counted;
      // An order whose id the storage knows leaves the accepted ones again.
      const value = isCount ? Math.max(0, sample[field] - before[field]) / seconds : sample[field];
      this.#values[place + 1 + index] = value;
    }
    this.#count += 1;
    this.#first = Math.max(this.#first, this.#count - keptSeconds);
  }

  /**
   * Points of so many seconds each, the oldest first, without the last one if it is not complete.
   *
   * @param after - only those that end later, in Unix milliseconds
   */
  points(step: number, after = 0): PointView[] {
    const points: PointView[] = [];
    const stepMs = step * 1_000;
    let from = this.#first;
    // Not all seconds are looked at for the last few points.
    while (from < this.#count && this.#at(from) < after) {
      from = Math.max(from + 1, this.#count - Math.ceil((this.#now() - after) / 900) - step - 2);
    }
    for (let at = from; at < this.#count; ) {
      const end = (Math.floor(this.#at(at) / stepMs) + 1) * stepMs;
      let to = at;
      while (to < this.#count && this.#at(to) < end) to += 1;
      const isComplete = to < this.#count || end <= this.#now();
      if (isComplete && end > after) points.push(this.#point(at, to, end));
      at = to;
    }
    return points;
  }

  #at(index: number): number {
    return this.#values[(index % keptSeconds) * width] as number;
  }

  /** Rates are averages; gauges and percentiles the greatest, so that a peak is not lost. */
  #point(from: number, to: number, end: number): PointView {
    const entries = fields.map((field, index): [Field, number] => {
      let sum = 0;
      let max = 0;
      for (let at = from; at < to; at += 1) {
        const value = this.#values[(at % keptSeconds) * width + 1 + index] as number;
        sum += value;
        max = Math.max(max, value);
      }
      return [field, index < counted ? rounded(sum / (to - from)) : max];
    });
    return { at: end, ...(Object.fromEntries(entries) as Record<Field, number>) };
  }
}

function rounded(rate: number): number {
  return Math.round(rate * 100) / 100;
}

function sampleOf(stats: ProcessorStats): Sample {
  const { waitMs, durationMs } = stats;
  return {
    accepted: stats.accepted,
    completed: stats.completed,
    failed: stats.failed,
    canceled: stats.canceled,
    waiting: stats.queueLength,
    activeWorkers: stats.activeWorkers,
    waitP50: waitMs.p50,
    waitP95: waitMs.p95,
    waitP99: waitMs.p99,
    durationP50: durationMs.p50,
    durationP95: durationMs.p95,
    durationP99: durationMs.p99,
  };
}
