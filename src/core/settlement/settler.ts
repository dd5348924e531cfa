import type { Job } from '../lifecycle/job.ts';
import type { CallEnd } from '../lifecycle/lifecycle.ts';
import { isOver, moveTo } from '../lifecycle/order-state.ts';
import type { Decision } from '../order/decision.ts';
import { nothingToDo } from '../order/decision.ts';
import type { OrderError } from '../order/order-error.ts';
import type { OrderOutcome, UnfulfilledOutcome } from '../order/outcome.ts';
import { storageFailed } from '../order/processor-errors.ts';
import type { StepResult } from '../order/step-result.ts';
import { noSteps } from '../order/step-result.ts';
import type { SettledFields, Times } from '../order/stored-order.ts';
import type { Clock } from '../runtime/clock.ts';
import { callBatch, GroupCall } from '../runtime/group-call.ts';
import type {
  BatchStorage,
  DirectStorage,
  Ledger,
  LedgerSettlement,
  Settled,
} from '../storage/ledger.ts';
import { SetApartOrders } from './set-apart-orders.ts';
import { settleIn } from './settle-at-once.ts';
import { asDecidedBefore, Batch, failedBy, newTimes, settlementOf, timesOf } from './settlement.ts';
import type { SettlerListener } from './settler-listener.ts';

/**
 * For how long a storage that keeps no orders counts as failing after a call that failed, in milliseconds. It can
 * be asked only by settling orders, so where others hold orders back as long as it fails, it would never be again.
 */
const failingMs = 5_000;

/** The options of the processor that settling depends on. */
export interface SettlerSettings {
  readonly minBalance: number | undefined;
  readonly stalledAfterMs: number;
}

/**
 * Brings outcomes and balances into the storage. A storage that answers at once is asked for each
 * order; for any other the orders gather, and whatever is decided while one call is under way goes
 * into the next, so a slow storage costs latency and not throughput. One call at a time also means
 * that the changes of one user reach the storage in order (invariant 1).
 */
export class Settler {
  readonly #direct: DirectStorage | undefined;
  readonly #batched: BatchStorage | undefined;
  /** Whether the storage keeps orders. */
  readonly #isKeeping: boolean;
  readonly #clock: Clock;
  readonly #minBalance: number | undefined;
  readonly #listener: SettlerListener;
  #gathered = new Batch();
  /** Outcomes to be noted, of orders that are not decided in the same breath. */
  readonly #notes = new Map<Job, UnfulfilledOutcome>();
  /** The times of the order at hand; one object for all, since a storage or settlement copies from it. */
  readonly #times = newTimes();
  readonly #calls: GroupCall<Batch, readonly Settled[]>;
  #callEnd: CallEnd | undefined;
  /** When a call of a storage that keeps no orders failed, if none has worked since. */
  #failedAt: number | undefined;
  /** The storage takes nothing now; what it was to take is gathered. */
  #isHeld = false;
  #heldBy: unknown;
  readonly #suspects = new SetApartOrders(() => this.flushSoon());

  constructor(
    storage: Ledger,
    clock: Clock,
    { minBalance, stalledAfterMs }: SettlerSettings,
    listener: SettlerListener,
  ) {
    this.#direct = 'change' in storage ? storage : undefined;
    this.#batched = 'change' in storage ? undefined : storage;
    this.#isKeeping = storage.journal !== undefined;
    this.#clock = clock;
    this.#minBalance = minBalance;
    this.#listener = listener;
    this.#calls = new GroupCall(
      {
        next: () => this.#next(),
        call: (batch) => {
          this.#callEnd = listener.calling('settle', batch.jobs.length);
          return (storage as BatchStorage).settle(batch.settlements);
        },
        answered: (batch, results) => {
          this.#ended(false);
          this.#worked(batch, results);
        },
        done: (batch, results) => this.#finish(batch, results),
        failed: (batch, cause) => {
          this.#ended(true);
          this.#fail(batch, cause);
        },
        slow: (message) => listener.storageFailed(storageFailed(message, undefined)),
      },
      { stalledAfterMs },
    );
  }

  readonly #failed = (error: OrderError): void => this.#listener.storageFailed(error);

  /** Resolves when the call of the storage that is under way has been answered. */
  get underWay(): Promise<void> | undefined {
    return this.#calls.underWay;
  }

  /** A call has not been answered for too long. */
  get isSlow(): boolean {
    return this.#calls.isSlow;
  }

  /** Whether the storage answers at once; then `settleAtOnce` may be called. */
  get isDirect(): boolean {
    return this.#direct !== undefined;
  }

  /** Whether a storage that keeps no orders fails, as far as its last call tells, or does not answer. */
  get isFailing(): boolean {
    if (this.isSlow) return true;
    return this.#failedAt !== undefined && this.#clock.now() - this.#failedAt < failingMs;
  }

  /**
   * Whether no more orders are to be decided before the storage has answered. One that keeps orders is
   * given its next ones in the same breath in which it answers.
   */
  get isFull(): boolean {
    if (this.#calls.underWay === undefined) return false;
    return !this.#isKeeping || this.hasCall;
  }

  /** Whether the orders of a whole call have gathered. */
  get hasCall(): boolean {
    return this.#gathered.jobs.length >= callBatch;
  }

  /**
   * Settles one decided order, or gathers it for `flush`. Times are on the processor's clock, which
   * must have been read just before.
   */
  add(job: Job, decision: Decision, startedAt: number | undefined): void {
    const times = timesOf(job, this.#clock, startedAt, this.#times);
    if (this.#direct !== undefined) {
      moveTo(job, 'settling');
      const outcome = this.settleAtOnce(job, decision, times, job.sequence);
      this.#conclude(job, outcome, decision, times);
      return;
    }
    const decided = asDecidedBefore(job, decision);
    this.#notes.delete(job);
    moveTo(job, 'settling');
    const settlement = settlementOf(job, decided, times, this.#minBalance);
    if (!this.#suspects.holds(job.userId)) this.#gathered.add(job, settlement);
    else {
      const behind = new Batch([job], [settlement]);
      this.#suspects.setApart(behind);
      this.#tellBehind(behind);
    }
  }

  /** Has it noted that an accepted order's outcome is certain, unless that is settled at once. */
  note(job: Job, outcome: UnfulfilledOutcome): void {
    if (job.entry?.decided !== undefined) {
      // It was noted in an earlier life.
      const { outcome: status, error } = asDecidedBefore(job, {
        ...nothingToDo,
        steps: outcome.error.steps,
      });
      this.#listener.noted(job, { status: status as 'failed', error: error as OrderError });
      return;
    }
    this.#notes.set(job, outcome);
    this.flushSoon();
  }

  /**
   * Settles one order without telling anybody.
   *
   * @param sequence - the order's place in the order of acceptance
   */
  settleAtOnce(
    order: SettledFields,
    decision: Decision,
    times: Times,
    sequence: number,
  ): OrderOutcome {
    const storage = this.#direct as DirectStorage;
    return settleIn(storage, order, decision, times, sequence, this.#minBalance, this.#failed);
  }

  /** A settled order's steps came to something after all. */
  async amend(job: Job, steps: readonly StepResult[]): Promise<void> {
    try {
      await (this.#direct ?? this.#batched)?.amend(job.id, steps);
    } catch (cause) {
      this.#listener.storageFailed(
        storageFailed('The storage did not record what became of the steps', cause, job),
      );
    }
  }

  /** Sends what is gathered. Without a promise it is settled on return; the promise never rejects. */
  flush(): Promise<void> | undefined {
    if (this.#isHeld) this.#loseUnaccepted();
    return this.#calls.flush();
  }

  /** The same a little later: whatever else comes in this breath goes with it. */
  flushSoon(): void {
    this.#calls.flushSoon();
  }

  /** The storage takes nothing now: what it keeps waits, and anything else fails. */
  hold(cause: unknown): void {
    this.#isHeld = true;
    this.#heldBy = cause;
    this.#loseUnaccepted();
  }

  /** The storage works again. */
  release(): void {
    this.#isHeld = false;
    this.flush();
  }

  /** Forgets what was not handed over: nothing may be applied after the storage is closed. */
  drop(): void {
    this.#gathered = new Batch();
    this.#notes.clear();
    this.#suspects.close();
    this.#isHeld = true;
    this.#calls.close();
  }

  #next(): Batch | undefined {
    if (this.#isHeld) {
      this.#loseUnaccepted();
      return undefined;
    }
    this.#gatherNotes();
    return this.#suspects.take() ?? this.#nextBatch();
  }

  #nextBatch(): Batch | undefined {
    const { length } = this.#gathered.jobs;
    if (length === 0) return undefined;
    const size = this.#isKeeping ? this.#calls.sizeOf(length, this.#clock.last) : length;
    return this.#gathered.take(Math.min(size, this.#suspects.most));
  }

  #gatherNotes(): void {
    for (const [job, { status, error }] of this.#notes) {
      const decision = { outcome: status as 'failed', error, steps: noSteps, isCompensable: false };
      const times = timesOf(job, this.#clock, job.run?.startedAt, this.#times);
      this.#gathered.add(job, settlementOf(job, decision, times, this.#minBalance, true));
    }
    this.#notes.clear();
  }

  #ended(isFailed: boolean): void {
    this.#callEnd?.(isFailed);
    this.#callEnd = undefined;
  }

  #worked(batch: Batch, results: readonly Settled[]): void {
    this.#failedAt = undefined;
    this.#suspects.worked();
    if (!this.#isKeeping) return;
    const causes = new Map<LedgerSettlement, unknown>();
    results.forEach((result, at) => {
      const isAbandoned = isOver(batch.jobs[at] as Job);
      if (!('cause' in result) || isAbandoned) return;
      causes.set(batch.settlements[at] as LedgerSettlement, result.cause);
    });
    if (causes.size > 0) this.#setApart(batch, causes);
  }

  #finish(batch: Batch, results: readonly Settled[]): void {
    const { jobs, settlements } = batch;
    for (let at = 0; at < jobs.length; at += 1) {
      const job = jobs[at] as Job;
      const settlement = settlements[at] as LedgerSettlement;
      const result = results[at] as Settled;
      if ('cause' in result) continue;
      const behind = this.#suspects.settled(settlement);
      if (behind !== undefined) this.#gathered = Batch.of([behind, this.#gathered], () => true);
      if (settlement.isProvisional) {
        if ('error' in result) this.#listener.noted(job, result);
        continue;
      }
      // Abandoned: shutdown's deadline came first, and its caller has been told.
      if (job.state !== 'settling') continue;
      if ('known' in result) this.#listener.known(job, result.known);
      else this.#conclude(job, result, settlement, settlement);
    }
  }

  #conclude(
    job: Job,
    outcome: OrderOutcome,
    { isCompensable, isTrial }: Pick<Decision, 'isCompensable' | 'isTrial'>,
    times: Times,
  ): void {
    const isRefused = isCompensable && outcome.status !== 'completed';
    if (isRefused || isTrial) {
      moveTo(job, isRefused ? 'ending' : 'processing');
      if (isRefused) this.#listener.refused(job, outcome.error);
      else this.#listener.admitted(job);
      return;
    }
    moveTo(job, 'settled');
    this.#listener.settled(job, outcome, times);
  }

  /**
   * What a storage keeps is settled when it works again. Of anything else nothing is known to be
   * recorded, so the orders fail, and are not remembered: they may come again.
   */
  #fail(batch: Batch, cause: unknown): void {
    if (!this.#isKeeping) {
      this.#failedAt = this.#clock.read();
      this.#lose(batch, cause);
    } else {
      const next = this.#suspects.failed(batch);
      if (next === 'apart') {
        this.#setApart(batch, new Map([[batch.settlements[0] as LedgerSettlement, cause]]));
        return;
      }
      this.#gathered = Batch.of([batch, this.#gathered], () => true);
      if (next === 'halve') return;
      this.hold(cause);
      for (const [at, job] of this.#gathered.jobs.entries()) {
        const settlement = this.#gathered.settlements[at] as LedgerSettlement;
        if (settlement.isProvisional) continue;
        const message = 'The storage has not settled it yet';
        this.#listener.delayed(job, storageFailed(message, cause, settlement));
      }
    }
    this.#listener.storageFailed(storageFailed('A call of the storage failed', cause));
  }

  /**
   * Has orders of a call wait alone that the storage cannot settle, and what was decided later of the same users
   * behind them (invariant 1).
   */
  #setApart(batch: Batch, causes: ReadonlyMap<LedgerSettlement, unknown>): void {
    const heads = Batch.of([batch], (each) => causes.has(each));
    const added = this.#suspects.setApart(heads);
    const all = this.#gathered;
    const behind = Batch.of([all], ({ userId }) => this.#suspects.holds(userId));
    this.#gathered = Batch.of([all], ({ userId }) => !this.#suspects.holds(userId));
    this.#suspects.setApart(behind);
    // A listener may have more decided, and the next call made: not before the orders wait in their order.
    for (const [at, settlement] of added.settlements.entries()) {
      const message = 'The storage cannot settle it; the order waits alone, and is tried again';
      const error = storageFailed(message, causes.get(settlement), settlement);
      if (!settlement.isProvisional) this.#listener.delayed(added.jobs[at] as Job, error);
      this.#listener.setApart(error);
    }
    for (const [settlement, cause] of causes) this.#loseOf(heads, settlement, cause);
    this.#tellBehind(behind);
  }

  #tellBehind(behind: Batch): void {
    for (const [at, settlement] of behind.settlements.entries()) {
      const message =
        'The storage cannot settle an earlier order of its user; it waits behind that one';
      const error = storageFailed(message, undefined, settlement);
      if (!settlement.isAccepted) this.#loseOf(behind, settlement, undefined);
      else if (!settlement.isProvisional) this.#listener.delayed(behind.jobs[at] as Job, error);
    }
  }

  /** One that is not accepted fails; its caller may hand it in again. */
  #loseOf(batch: Batch, settlement: LedgerSettlement, cause: unknown): void {
    if (settlement.isAccepted) return;
    this.#lose(
      Batch.of([batch], (each) => each === settlement),
      cause,
    );
  }

  #loseUnaccepted(): void {
    const all = this.#gathered;
    this.#gathered = Batch.of([all], ({ isAccepted }) => isAccepted);
    this.#lose(
      Batch.of([all], ({ isAccepted }) => !isAccepted),
      this.#heldBy,
    );
  }

  #lose(lost: Batch, cause: unknown): void {
    this.#finish(
      lost,
      lost.settlements.map((settlement) => failedBy(cause, settlement, this.#isKeeping)),
    );
  }
}
