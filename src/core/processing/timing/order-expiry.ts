import type { Job } from '../../lifecycle/job.ts';
import type { OrderTimes } from '../../order/times/order-times.ts';
import type { Clock } from '../../runtime/clock.ts';
import { TimerList } from './timer-list.ts';

/** For how long it may go unnoticed that the clock has been set, in milliseconds. */
export const longestWaitMs = 10_000;

/** A list of timers for orders that have times, which are Unix milliseconds. */
export function orderTimers(clock: Clock, due: (job: Job) => void): TimerList<Job> {
  return new TimerList({
    ...{ clock, longestWaitMs, due },
    timedOf: ({ times }) => times as OrderTimes,
    now: clock.unixNow,
  });
}

/** Since when an order waits for its turn, on the processor's clock. */
export function waitsSince({ times, acceptedAt }: Job): number {
  return times?.enteredAt ?? acceptedAt;
}

/** The orders that wait in the queue and expire. */
export class OrderExpiry {
  readonly #timers: TimerList<Job>;

  /** @param expired - called when the order must not begin any more */
  constructor(clock: Clock, expired: (job: Job) => void) {
    this.#timers = orderTimers(clock, expired);
  }

  /** The order waits from now on. */
  begin(job: Job): void {
    const at = job.times?.expiresAt;
    if (at !== undefined) this.#timers.add(job, at);
  }

  /** The order waits no longer. */
  end(job: Job): void {
    if (job.times !== undefined) this.#timers.remove(job);
  }

  close(): void {
    this.#timers.close();
  }
}
