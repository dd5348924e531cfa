import type { Job } from '../lifecycle/job.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import { isOver } from '../lifecycle/order-state.ts';
import type { Decision } from '../order/decision.ts';
import type { UnfulfilledOutcome } from '../order/outcome.ts';
import { storageFailed } from '../order/processor-errors.ts';
import type { StepResult } from '../order/step-result.ts';
import type { Clock } from '../runtime/clock.ts';
import { callBatch, GroupCall } from '../runtime/group-call.ts';
import { isUntreatable, type Ledger, type Settled } from '../storage/ledger.ts';
import { Conclusion } from './conclusion.ts';
import { OutcomeNotes } from './outcome-notes.ts';
import { SetApartOrders } from './set-apart-orders.ts';
import { SettleCalls } from './settle-calls.ts';
import { SettledNow } from './settled-now.ts';
import { asDecidedBefore, OrderSettlement } from './settlement.ts';
import type { SettlerListener, SettlerSettings } from './settler-listener.ts';

/**
 * Brings outcomes and balances into the storage, by one call at a time, so that the changes of one user reach the
 * storage in order (invariant 1). A storage that answers at once has settled an order when `flush` returns.
 *
 * An order of a call that failed stays open until the storage has answered for its id: the call may have done its work
 * (invariant 3). Its callers are notified that the storage failed. An order that was in no call ends instead of waiting,
 * if the storage that is to accept it by its settlement does not have it.
 */
export class Settler {
  /** Whether orders are settled one by one, as in memory, and not gathered. */
  readonly isDirect: boolean;
  readonly #ledger: Ledger;
  readonly #isKeeping: boolean;
  readonly #clock: Clock;
  readonly #minBalance: number | undefined;
  readonly #lifecycle: Lifecycle;
  readonly #listener: SettlerListener;
  readonly #conclusion: Conclusion;
  readonly #settledNow: SettledNow;
  #gathered: OrderSettlement[] = [];
  readonly #notes: OutcomeNotes;
  readonly #calls: GroupCall<readonly OrderSettlement[], readonly Settled[]>;
  readonly #storageCalls: SettleCalls;
  /** The storage takes no settlements now; they are gathered. */
  #isHeld = false;
  #heldBy: unknown;
  /** Whether the last call failed. */
  #hasFailed = false;
  readonly #suspects: SetApartOrders;

  constructor(
    ledger: Ledger,
    clock: Clock,
    { minBalance, stalledAfterMs }: SettlerSettings,
    lifecycle: Lifecycle,
    listener: SettlerListener,
  ) {
    this.#ledger = ledger;
    this.#isKeeping = ledger.journal !== undefined;
    this.isDirect = ledger.isVolatile;
    this.#clock = clock;
    this.#minBalance = minBalance;
    this.#lifecycle = lifecycle;
    this.#listener = listener;
    this.#notes = new OutcomeNotes(listener);
    this.#conclusion = new Conclusion(lifecycle, listener, this.#isKeeping);
    this.#settledNow = new SettledNow(clock);
    this.#storageCalls = new SettleCalls(ledger, lifecycle);
    this.#suspects = new SetApartOrders(this.#conclusion, lifecycle, () => this.flushSoon());
    this.#calls = new GroupCall(
      {
        next: () => this.#next(),
        call: (batch) => this.#storageCalls.call(batch),
        answered: (batch, results) => this.#answered(batch, results),
        done: (batch, results) => this.#done(batch, results),
        failed: (batch, cause) => this.#failed(batch, cause),
        slow: (message) => listener.storageFailed(storageFailed(message, undefined)),
      },
      { stalledAfterMs },
    );
  }

  /** Resolves when the call of the storage that is under way has been answered. */
  get underWay(): Promise<void> | undefined {
    return this.#calls.underWay;
  }

  /** A call has not been answered for too long. */
  get isSlow(): boolean {
    return this.#calls.isSlow;
  }

  /**
   * Whether no more orders may be decided before the storage has answered. A storage that keeps orders gets its next
   * ones before its answer is passed on.
   */
  get isFull(): boolean {
    if (this.#calls.underWay === undefined) return false;
    return !this.#isKeeping || this.hasCall;
  }

  /** Whether the orders of a whole call have gathered. */
  get hasCall(): boolean {
    return this.#gathered.length >= callBatch;
  }

  /**
   * Takes one decided order, which `flush` hands over. Times are on the processor's clock, which
   * must have been read just before.
   */
  add(job: Job, decision: Decision, startedAt: number | undefined): void {
    const decided = asDecidedBefore(job, decision);
    this.#notes.delete(job);
    this.#lifecycle.move(job, 'settling');
    const settlement = this.#settlementOf(job, decided, startedAt);
    if (this.#ledger.settleUncompleted !== undefined) {
      if (decided.outcome !== 'completed') {
        this.#conclusion.answered(settlement, this.#ledger.settleUncompleted(settlement));
        return;
      }
      // Its amount may have been applied for an earlier process.
      settlement.leaveOpen();
    }
    if (this.#settledNow.has(job.id)) settlement.comesAgain();
    if (this.#suspects.holds(job.userId)) this.#suspects.waitBehind([settlement]);
    else if (this.#gathered.length === 0) this.#gathered = [settlement];
    else this.#gathered.push(settlement);
    // Gathering gains nothing in memory.
    if (this.isDirect) this.flush();
  }

  /** Lets the storage note that an accepted order's outcome is certain, unless it is settled at once. */
  note(job: Job, outcome: UnfulfilledOutcome): void {
    if (this.#notes.add(job, outcome)) this.flushSoon();
  }

  /** The results of a settled order's steps have changed. */
  async amend(job: Job, steps: readonly StepResult[]): Promise<void> {
    try {
      await this.#ledger.amend(job.id, steps);
    } catch (cause) {
      this.#listener.storageFailed(
        storageFailed('The storage did not record what became of the steps', cause, job),
      );
    }
  }

  /** Hands over the gathered settlements. Without a promise they are settled on return; the promise never rejects. */
  flush(): Promise<void> | undefined {
    if (this.#isHeld) this.#endUnaccepted();
    return this.#calls.flush();
  }

  /** The same in a microtask: orders that are decided before that go into the same call. */
  flushSoon(): void {
    this.#calls.flushSoon();
  }

  /** The storage takes no settlements now: orders that may wait do so. */
  hold(cause: unknown): void {
    this.#isHeld = true;
    this.#heldBy = cause;
    this.#endUnaccepted();
  }

  /** The storage works again. */
  release(): void {
    this.#isHeld = false;
    this.flush();
  }

  /** Forgets what is gathered of orders that are not to be settled here any more. */
  forget(): void {
    this.#gathered = this.#gathered.filter(({ job }) => !isOver(job));
    this.#notes.forget();
    this.#suspects.forget();
  }

  /** Hands over what waits, though the storage has failed: only that says whether it works again. Rejects if not. */
  async tryAgain(): Promise<void> {
    this.release();
    // A call that fails may be followed by one of fewer orders.
    while (this.#hasFailed && !this.#isHeld && this.#calls.underWay) await this.#calls.underWay;
    if (this.#isHeld) throw this.#heldBy;
  }

  /** Drops the settlements that were not handed over: nothing may be applied after the storage is closed. */
  drop(): void {
    this.#gathered = [];
    this.#notes.clear();
    this.#suspects.close();
    this.#isHeld = true;
    this.#calls.close();
    this.#storageCalls.drop(storageFailed('The storage did not answer', undefined));
  }

  #settlementOf(
    job: Job,
    decision: Decision,
    startedAt: number | undefined,
    isProvisional = false,
  ): OrderSettlement {
    const minBalance = this.#minBalance;
    return new OrderSettlement(job, decision, this.#clock, startedAt, minBalance, isProvisional);
  }

  #next(): readonly OrderSettlement[] | undefined {
    if (this.#isHeld) {
      this.#endUnaccepted();
      return undefined;
    }
    for (const [job, decision] of this.#notes.take()) {
      this.#gathered.push(this.#settlementOf(job, decision, job.run?.startedAt, true));
    }
    const suspect = this.#suspects.take();
    if (suspect !== undefined) return [suspect];
    const all = this.#gathered;
    if (all.length === 0) return undefined;
    const size = this.#isKeeping ? this.#calls.sizeOf(all.length, this.#clock.last) : all.length;
    const most = Math.min(size, this.#suspects.most);
    if (most < all.length) return all.splice(0, most);
    this.#gathered = [];
    return all;
  }

  #answered(batch: readonly OrderSettlement[], results: readonly Settled[]): void {
    this.#hasFailed = false;
    this.#storageCalls.answered();
    this.#suspects.worked();
    let causes: Map<OrderSettlement, unknown> | undefined;
    for (let at = 0; at < batch.length; at += 1) {
      const settlement = batch[at] as OrderSettlement;
      const result = results[at] as Settled;
      // Shutdown has given the order up, and its callers have been notified.
      if (!isUntreatable(result) || isOver(settlement.job)) continue;
      causes ??= new Map();
      causes.set(settlement, result.cause);
    }
    if (causes !== undefined) this.#setApart(causes);
  }

  #done(batch: readonly OrderSettlement[], results: readonly Settled[]): void {
    for (let at = 0; at < batch.length; at += 1) {
      const settlement = batch[at] as OrderSettlement;
      const result = results[at] as Settled;
      if (isUntreatable(result)) continue;
      const behind = this.#suspects.settled(settlement);
      if (behind !== undefined) this.#gathered = [...behind, ...this.#gathered];
      // Before the answer is passed on, which may admit another order with the id.
      if (this.#isKeeping) this.#settledNow.add(settlement);
      this.#conclusion.answered(settlement, result);
    }
  }

  #failed(batch: readonly OrderSettlement[], cause: unknown): void {
    this.#hasFailed = true;
    this.#storageCalls.failed(cause);
    if (!this.isDirect) this.#leaveOpen(batch, cause);
    else {
      for (const settlement of batch) this.#conclusion.end(settlement, cause);
      this.#listener.storageFailed(storageFailed('A call of the storage failed', cause));
    }
  }

  #leaveOpen(batch: readonly OrderSettlement[], cause: unknown): void {
    for (const settlement of batch) settlement.leaveOpen();
    const next = this.#suspects.failed(batch);
    if (next === 'apart') {
      this.#setApart(new Map([[batch[0] as OrderSettlement, cause]]));
      return;
    }
    this.#gathered = [...batch, ...this.#gathered];
    if (next === 'halve') return;
    this.hold(cause);
    for (const settlement of this.#gathered) {
      this.#conclusion.delayed(settlement, 'The storage has not settled it yet', cause);
    }
    this.#listener.storageFailed(storageFailed('A call of the storage failed', cause));
  }

  #setApart(causes: ReadonlyMap<OrderSettlement, unknown>): void {
    const { rest, notify } = this.#suspects.setApart(causes, this.#gathered);
    // A listener may have more orders decided, and the next call made, so first these orders take their places.
    this.#gathered = rest;
    notify();
  }

  /** Ends orders that the storage does not have and that were in no call: they do not wait for it. */
  #endUnaccepted(): void {
    const ended = this.#gathered.filter(({ mayWait }) => !mayWait);
    if (ended.length === 0) return;
    this.#gathered = this.#gathered.filter(({ mayWait }) => mayWait);
    for (const settlement of ended) this.#conclusion.end(settlement, this.#heldBy);
  }
}
