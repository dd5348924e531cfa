import { isOrderError, noteOutcome, OrderError } from '../order/order-error.ts';
import type { OrderOutcome, UnfulfilledOutcome } from '../order/outcome.ts';
import type { Times } from '../order/stored-order.ts';
import type { Clock } from '../runtime/clock.ts';
import { systemTime } from '../runtime/system-time.ts';
import { Events, type StoredBatch } from './events.ts';
import type { Job } from './job.ts';
import { Counts, Timings } from './stats.ts';

/** A call of the storage has ended; nobody may be told yet what it came to. */
export type CallEnd = (isFailed: boolean) => void;

/** Counts what happens and tells everybody who wants to hear of it. */
export class Lifecycle {
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
    const { acceptedAt, startedAt, settledAt } = times;
    if (startedAt !== undefined) {
      const waitMs = startedAt - acceptedAt;
      const durationMs = settledAt - startedAt;
      this.timings.record(waitMs, durationMs, now);
      if (outcome.status !== 'completed') {
        // Not assigned: a host's storage may have frozen it.
        Reflect.set(outcome.error, 'waitMs', waitMs);
        Reflect.set(outcome.error, 'durationMs', durationMs);
      }
    }
    if (outcome.status !== 'completed') noteOutcome(outcome.error, outcome.status);
    const wasTelling = this.#isTelling;
    this.#isTelling = true;
    // First, since what a listener does to the outcome must not change what its caller gets.
    job?.tell(outcome);
    const { counts, events } = this;
    if (outcome.status === 'completed') {
      counts.completed += 1;
      events.tell.completed?.(outcome);
    } else {
      const { status, error } = outcome;
      counts[status] += 1;
      if (status !== 'refused') events.tell[status]?.(error);
    }
    this.#isTelling = wasTelling;
  }

  /** An order was accepted. */
  accepted(job: Job, clock: Clock): void {
    this.counts.accepted += 1;
    this.events.tell.accepted?.(job.toRecord(clock));
  }

  /** The call that settled an order has accepted it, so what came before its outcome is raised now. */
  acceptedBySettlement(job: Job, outcome: OrderOutcome, { startedAt }: Times, clock: Clock): void {
    this.counts.accepted += 1;
    const { accepted, started } = this.events.tell;
    if (accepted === undefined && started === undefined) return;
    // The storage has not taken it.
    if (outcome.status !== 'completed' && outcome.error.code === 'storage_failed') return;
    const wasTelling = this.#isTelling;
    this.#isTelling = true;
    const record = { ...job.toRecord(clock), status: 'pending' as const };
    accepted?.(record);
    if (startedAt !== undefined) started?.({ ...record, status: 'processing', startedAt });
    this.#isTelling = wasTelling;
  }

  /**
   * What becomes of an order is certain: its callers need not wait until it is settled.
   *
   * @param isOver - nothing more will be heard of it
   */
  told(job: Job, outcome: OrderOutcome, isOver = false): void {
    const wasTelling = this.#isTelling;
    this.#isTelling = true;
    if (isOver) job.tell(outcome);
    else job.tellEarly(outcome);
    this.#isTelling = wasTelling;
  }

  /** A call of the storage begins; what that gives is called at its end. Nothing, if nobody listens. */
  calling(operation: StoredBatch['operation'], size: number): CallEnd | undefined {
    if (this.events.tell.stored === undefined) return undefined;
    const startedAt = systemTime.now();
    return (isFailed) => {
      const durationMs = systemTime.now() - startedAt;
      this.events.tell.stored?.({ operation, size, durationMs, isFailed });
    };
  }

  /**
   * Nothing accepted is unsettled.
   *
   * @param isStill - whether that is so by the time
   */
  idle(isStill: () => boolean): void {
    if (this.events.tell.idle === undefined) return;
    const wasTelling = this.#isTelling;
    this.#isTelling = true;
    this.events.idle(isStill);
    this.#isTelling = wasTelling;
  }

  /** Whatever was thrown on an order's way to acceptance. */
  refused(thrown: unknown): UnfulfilledOutcome {
    const error = isOrderError(thrown)
      ? thrown
      : new OrderError('internal', 'The order could not be taken', { cause: thrown });
    noteOutcome(error, 'refused');
    this.counts.refused += 1;
    this.events.tell.refused?.(error);
    return { status: 'refused', error };
  }
}
