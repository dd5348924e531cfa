import type { Job } from '../lifecycle/job.ts';
import type { Decision } from '../order/decision.ts';
import { asError, causeOfOrder } from '../order/order-cause.ts';
import { OrderError } from '../order/order-error.ts';
import type { OrderOutcome } from '../order/outcome.ts';
import { storageFailed } from '../order/processor-errors.ts';
import type { Times } from '../order/stored-order.ts';
import type { Clock } from '../runtime/clock.ts';
import type { LedgerSettlement } from '../storage/ledger.ts';
import { outcomeOf } from '../storage/ledger.ts';

/** Decided orders on their way into the storage; the arrays are index-aligned. */
export class Batch {
  readonly jobs: Job[];
  readonly settlements: LedgerSettlement[];

  constructor(jobs: Job[] = [], settlements: LedgerSettlement[] = []) {
    this.jobs = jobs;
    this.settlements = settlements;
  }

  add(job: Job, settlement: LedgerSettlement): void {
    this.jobs.push(job);
    this.settlements.push(settlement);
  }

  /** Takes the first so many out. */
  take(count: number): Batch {
    return new Batch(this.jobs.splice(0, count), this.settlements.splice(0, count));
  }

  /** What is in both, in order, as far as a settlement is one of those. */
  static of(batches: readonly Batch[], isOne: (settlement: LedgerSettlement) => boolean): Batch {
    const all = new Batch();
    for (const { jobs, settlements } of batches) {
      settlements.forEach((settlement, at) => {
        if (isOne(settlement)) all.add(jobs[at] as Job, settlement);
      });
    }
    return all;
  }
}

/** Times that are written anew for each order: to be read, or copied, before any host's code runs. */
export type ReusedTimes = { -readonly [Name in keyof Times]: Times[Name] };

export function newTimes(): ReusedTimes {
  return { acceptedAt: 0, startedAt: 0, settledAt: 0 };
}

/**
 * Writes an order's times.
 *
 * @param startedAt - on the processor's clock, which must have been read just before
 */
export function timesOf(
  job: Job,
  clock: Clock,
  startedAt: number | undefined,
  times: ReusedTimes,
): Times {
  times.acceptedAt = job.unixOf(job.acceptedAt, clock);
  times.startedAt = startedAt === undefined ? undefined : job.unixOf(startedAt, clock);
  times.settledAt = job.unixOf(clock.last, clock);
  return times;
}

export function settlementOf(
  { id, userId, amount, priority, payload, labels, content, hash, entry, sequence, shift }: Job,
  { outcome, error, steps, isCompensable, isTrial = false }: Decision,
  { acceptedAt, startedAt, settledAt }: Times,
  minBalance: number | undefined,
  isProvisional = false,
): LedgerSettlement {
  return {
    id,
    userId,
    amount,
    priority,
    payload,
    labels,
    content,
    hash,
    acceptedAt,
    isAccepted: entry !== undefined,
    outcome,
    error,
    cause: error && causeOfOrder(error),
    steps,
    startedAt,
    settledAt,
    minBalance,
    isCompensable,
    isProvisional,
    isTrial,
    sequence,
    shift,
  };
}

/** An order whose callers had been told in an earlier life comes to what they were told. */
export function asDecidedBefore(job: Job, decision: Decision): Decision {
  const decided = job.entry?.decided;
  if (decided === undefined) return decision;
  const { steps } = decision;
  const { outcome, code, message, retryable, cause: kept } = decided;
  const cause = kept && asError(kept);
  const error = new OrderError(code, message, { ...job.facts, outcome, retryable, steps, cause });
  return { outcome, error, steps, isCompensable: false };
}

/**
 * What an order comes to of which nothing is known to be recorded.
 *
 * @param isKeeping - whether the storage keeps orders: then it may have this one, with another outcome
 */
export function failedBy(
  cause: unknown,
  settlement: LedgerSettlement,
  isKeeping: boolean,
): OrderOutcome {
  // What changes no balance came to what it came to, and its caller may have been told.
  if (settlement.outcome !== 'completed' && !isKeeping) return outcomeOf(settlement, undefined);
  const error = storageFailed('The storage did not settle it', cause, settlement);
  return { status: 'failed', error };
}
