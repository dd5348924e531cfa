import { isOrderError, OrderError } from './errors.ts';
import { Events } from './events.ts';
import type { Job } from './job.ts';
import type { OrderOutcome, UnfulfilledOutcome } from './outcome.ts';
import { Counts, Timings } from './stats.ts';
import type { Times } from './storage/order-storage.ts';

/** Counts what happens and tells everybody who wants to hear of it. */
export class Reporter {
  readonly events = new Events();
  readonly counts = new Counts();
  readonly timings = new Timings();
  #isTelling = false;

  /** While listeners and callers are told, an order that they submit goes to the queue, not deeper. */
  get isTelling(): boolean {
    return this.#isTelling;
  }

  /** @param now - on the processor's clock */
  settled(outcome: OrderOutcome, times: Times, now: number, job?: Job): void {
    this.#count(outcome, times, now);
    const wasTelling = this.#isTelling;
    this.#isTelling = true;
    const { tell } = this.events;
    if (outcome.status === 'completed') tell.completed?.(outcome);
    else if (outcome.status === 'failed') tell.failed?.(outcome.error);
    else if (outcome.status === 'canceled') tell.canceled?.(outcome.error);
    job?.tell(outcome);
    this.#isTelling = wasTelling;
  }

  /** Whatever was thrown on an order's way to acceptance. */
  refused(thrown: unknown): UnfulfilledOutcome {
    const error = isOrderError(thrown)
      ? thrown
      : new OrderError('internal', 'The order could not be taken', { cause: thrown });
    this.counts.refused += 1;
    this.events.tell.refused?.(error);
    return { status: 'refused', error };
  }

  #count({ status }: OrderOutcome, { acceptedAt, startedAt, settledAt }: Times, now: number): void {
    if (status === 'completed') this.counts.completed += 1;
    else if (status === 'failed') this.counts.failed += 1;
    else this.counts.canceled += 1;
    if (startedAt === undefined) return;
    this.timings.record(startedAt - acceptedAt, settledAt - startedAt, now);
  }
}
