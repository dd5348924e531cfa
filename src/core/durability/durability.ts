import type { Admission } from '../admission/admission.ts';
import { Tally } from '../collections/tally.ts';
import type { InFlightOrders } from '../lifecycle/in-flight-orders.ts';
import { entryOf, type Job, type Waiter } from '../lifecycle/job.ts';
import type { CallEnd, Lifecycle } from '../lifecycle/lifecycle.ts';
import { isOver, moveTo } from '../lifecycle/order-state.ts';
import { nothingToDo } from '../order/decision.ts';
import type { OrderError } from '../order/order-error.ts';
import type { OrderOutcome, OrderRecord, UnfulfilledOutcome } from '../order/outcome.ts';
import { leftBehind, storageFailed } from '../order/processor-errors.ts';
import { outcomeOfRecord, recordOf } from '../order/record.ts';
import type { StoredOrder, Times } from '../order/stored-order.ts';
import type { Dispatcher } from '../processing/dispatcher.ts';
import type { Cancellation } from '../runtime/abort.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Settler } from '../settlement/settler.ts';
import type { JournalStorage } from '../storage/ledger.ts';
import { Availability } from './availability.ts';
import { Journal, type JournalListener } from './journal.ts';
import { Recovery, type RecoveryListener } from './recovery.ts';

/** The parts of an engine that have to do with orders that are kept. */
export interface DurableEngine {
  readonly clock: Clock;
  readonly lifecycle: Lifecycle;
  readonly inFlight: InFlightOrders;
  readonly known: {
    checkSame(stored: StoredOrder, job: Job): void;
    recordOfEnded(job: Job, outcome: OrderOutcome | undefined): Promise<OrderRecord>;
    takenUp(id: string): void;
    recoveryEnded(): void;
  };
  readonly capacity: {
    readonly hasRoom: boolean;
    dismissImpatient(): void;
    roomMayHaveCome(): void;
  };
  readonly dispatcher: Dispatcher;
  readonly admission: Admission;
  readonly settler: Settler;
  /** An order takes its place among the unsettled ones. */
  add(job: Job): void;
  /** Counts an order as accepted and puts it into the queue. */
  enlist(job: Job, cancellation: Cancellation | undefined): void;
  /** The order needs its place no more. */
  remove(job: Job): void;
  settled(job: Job, outcome: OrderOutcome, times: Times): void;
  checkIdle(): void;
}

/** So often a balance is asked for before the steps of an order; then the storage has the last word. */
const mostQuestions = 3;

/**
 * What an engine does beside where its storage keeps orders: they are accepted when the storage has
 * them, taken up again after a restart, and held back while the storage can take nothing.
 */
export class Durability implements JournalListener, RecoveryListener {
  readonly recovery: Recovery;
  readonly #journal: Journal;
  readonly #availability: Availability;
  readonly #storage: JournalStorage;
  readonly #engine: DurableEngine;
  /** By user: how many orders are on their way to be accepted by their settlement. */
  readonly #settling = new Tally();
  /** Callers of `enqueue` whose orders are to be accepted by their settlement. */
  readonly #enqueued = new Map<Job, Waiter>();
  /** How many orders shutdown has left in the storage. */
  left = 0;
  /** From the deadline of shutdown on: nothing is taken up or begun any more. */
  isLeaving = false;
  #isClosed = false;
  /** Resolves when the orders of an earlier life are taken up. */
  readonly ready: Promise<void>;

  constructor(storage: JournalStorage, stalledAfterMs: number, engine: DurableEngine) {
    const { clock } = engine;
    this.#storage = storage;
    this.#engine = engine;
    this.#journal = new Journal(storage, clock, stalledAfterMs, this);
    this.#availability = new Availability(() => this.#askStorage(), {
      interrupted: (error) => this.#interrupted(error),
      restored: () => this.#restored(),
    });
    this.recovery = new Recovery(storage, clock, this.#availability, this);
    engine.inFlight.isRecovering = true;
    // The host has a turn first, to listen to events.
    this.ready = Promise.resolve().then(() => this.recovery.run());
  }

  get isFailing(): boolean {
    return this.#availability.failure !== undefined;
  }

  /**
   * Has an order kept before it is processed; false if its settlement accepts it, in one write: it has no steps, and
   * nothing holds its user back.
   */
  takes(job: Job): boolean {
    const { dispatcher } = this.#engine;
    const mayBegin = !dispatcher.hasSteps && !dispatcher.holdsBack(job.userId);
    if (mayBegin && this.#journal.countOf(job.userId) === 0) return false;
    dispatcher.admit(job);
    this.#keep(job);
    return true;
  }

  #keep(job: Job): void {
    this.#journal.add(job);
    if (this.#settling.of(job.userId) > 0) this.#journal.hold(job.userId);
  }

  /**
   * Has the orders of the queue kept that were to be accepted by their settlement: a pause keeps them from that.
   *
   * @param userId - whose; everybody's when left out
   */
  keepWaiting(userId: string | undefined): void {
    const { dispatcher, inFlight } = this.#engine;
    if (dispatcher.hasSteps) return;
    for (const job of inFlight.all()) {
      if (userId !== undefined && job.userId !== userId) continue;
      if (job.entry !== undefined || !dispatcher.drop(job)) continue;
      this.#keep(job);
      const enqueued = this.#enqueued.get(job);
      if (enqueued !== undefined)
        this.#journal.whenKept(job).then(enqueued.resolve, enqueued.reject);
    }
  }

  /** An order is on its way to be accepted by its settlement: the journal must not be quicker with a later one. */
  settling({ entry, userId }: Job): void {
    if (entry === undefined) this.#settling.add(userId, 1);
  }

  /** That has ended. */
  settledUnkept({ userId }: Job): void {
    this.#settling.add(userId, -1);
    if (this.#settling.of(userId) === 0) this.#journal.release(userId);
  }

  /** The record of an order that somebody wants to be accepted, when that is certain. */
  whenKept(job: Job): Promise<OrderRecord> {
    const kept = this.#whenKept(job);
    // Its caller may ask a moment later.
    kept.catch(() => {});
    return kept;
  }

  async #whenKept(job: Job): Promise<OrderRecord> {
    const { entry, state } = job;
    const hasEnded = isOver(job);
    if (entry !== undefined && !hasEnded) {
      if (state === 'accepting') return this.#journal.whenKept(job);
      const { clock, dispatcher } = this.#engine;
      return job.toRecord(clock, dispatcher.runner.startedAtOf(job));
    }
    if (hasEnded) return this.#engine.known.recordOfEnded(job, undefined);
    const { promise, resolve, reject } = Promise.withResolvers<OrderRecord>();
    this.#enqueued.set(job, { resolve, reject });
    job
      .outcome()
      .then((outcome) => this.#engine.known.recordOfEnded(job, outcome))
      .then(resolve, reject);
    return promise.finally(() => this.#enqueued.delete(job));
  }

  /** Cancels an order as soon as it is accepted; false if it is already. */
  cancel(job: Job, cancellation: Cancellation): boolean {
    // It will be left as soon as it is kept.
    if (this.isLeaving && job.state === 'accepting' && job.entry !== undefined) return true;
    return this.#journal.cancel(job, cancellation);
  }

  /** A question about one order has failed; resolves, after a pause, whether to ask once more. */
  async outlive(attempt: number): Promise<boolean> {
    if (attempt > mostQuestions) return false;
    await this.#availability.pause(attempt);
    return !this.#isClosed;
  }

  /** What is not begun stays in the storage, for the next life: the processor shuts down. */
  async leaveAll(): Promise<void> {
    this.recovery.stop();
    const { clock, dispatcher, inFlight } = this.#engine;
    // From now on nothing begins: a user's later order must not overtake one that is left.
    this.isLeaving = true;
    dispatcher.isHalted = true;
    for (const job of inFlight.all()) {
      if (job.entry === undefined || job.state !== 'pending' || !dispatcher.drop(job)) continue;
      if (!clock.hasTime()) await clock.nextSlice();
      this.#leave(job);
    }
    this.#engine.checkIdle();
  }

  /** The same for what has begun and can't be ended: what it has done is compensated after the next start. */
  leaveRunning(): void {
    if (!this.#engine.dispatcher.runner.hasCompensations) return;
    for (const job of this.#engine.inFlight.all()) {
      const hasBegun = job.state === 'processing' || job.state === 'ending';
      if (job.entry !== undefined && hasBegun) this.#leave(job);
    }
    this.#engine.checkIdle();
  }

  #leave(job: Job): void {
    this.left += 1;
    moveTo(job, 'kept');
    this.#engine.remove(job);
    this.#engine.lifecycle.told(job, leftBehind(job.facts), true);
  }

  close(): void {
    this.#isClosed = true;
    this.recovery.stop();
    this.#journal.close();
    this.#availability.close();
  }

  /** The settler found the id of an order taken. */
  settledBefore(job: Job, stored: StoredOrder): void {
    const { dispatcher } = this.#engine;
    if (job.entry !== undefined && stored.settledAt !== undefined) {
      // A call of the storage had done its work, and then failed.
      moveTo(job, 'settled');
      this.#engine.settled(job, outcomeOfRecord(stored), {
        ...stored,
        settledAt: stored.settledAt,
      });
      return;
    }
    if (job.entry === undefined) this.settledUnkept(job);
    dispatcher.settled(job);
    try {
      this.known(job, stored);
    } catch {
      // A conflict, and whoever waits has heard of it.
    }
  }

  /** Rejects if the storage can keep nothing now. */
  async #askStorage(): Promise<void> {
    if (this.#journal.isSlow || this.#engine.settler.isSlow) {
      throw new Error('A call is not answered yet');
    }
    await this.#storage.accept([]);
  }

  // What the journal tells.

  accepted(job: Job, cancellation?: Cancellation): void {
    const { failure } = this.#availability;
    if (failure !== undefined && job.entry === undefined) {
      this.refused(job, storageFailed('The storage can keep no orders now', failure, job));
      return;
    }
    if (this.isLeaving && job.entry !== undefined) {
      const { clock, lifecycle } = this.#engine;
      lifecycle.counts.accepted += 1;
      lifecycle.events.tell.accepted?.(job.toRecord(clock));
      this.#leave(job);
      this.#engine.checkIdle();
      return;
    }
    this.#engine.inFlight.addSequence(job);
    this.#engine.enlist(job, cancellation);
  }

  known(job: Job, stored: StoredOrder, cancellation?: Cancellation): OrderRecord {
    const { known, lifecycle } = this.#engine;
    try {
      known.checkSame(stored, job);
    } catch (error) {
      this.refused(job, error as OrderError);
      throw error;
    }
    if (stored.settledAt === undefined) {
      // A call of the storage had kept it, and then failed: it was taken to be lost.
      job.entry = entryOf(stored.attempt, stored.decided);
      job.sequence = stored.sequence;
      job.acceptAt(stored.acceptedAt, this.#engine.clock);
      moveTo(job, 'pending');
      this.accepted(job, cancellation);
      return recordOf(stored);
    }
    lifecycle.counts.duplicates += 1;
    // Nothing more becomes of this job: a caller that comes to it asks the storage.
    moveTo(job, 'joined');
    this.#engine.remove(job);
    lifecycle.told(job, outcomeOfRecord(stored), true);
    this.#engine.checkIdle();
    return recordOf(stored);
  }

  refused(job: Job, error: OrderError): void {
    const { lifecycle } = this.#engine;
    moveTo(job, 'refused');
    this.#engine.remove(job);
    lifecycle.told(job, lifecycle.refused(error), true);
    this.#engine.checkIdle();
  }

  calling(operation: 'accept', size: number): CallEnd | undefined {
    return this.#engine.lifecycle.calling(operation, size);
  }

  storageFailed(error: OrderError): void {
    this.#engine.lifecycle.events.tell.error?.(error);
    this.#availability.failed(error);
  }

  // What the settler tells.

  noted(job: Job, outcome: UnfulfilledOutcome): void {
    const { entry, run } = job;
    if (entry !== undefined) entry.isNoted = true;
    // It may have been noted for the sake of its compensations alone.
    if (run === undefined || run.told !== undefined || entry?.canceled !== undefined) {
      if (entry !== undefined) entry.told = outcome;
      this.#engine.lifecycle.told(job, outcome);
    }
    run?.noted();
  }

  delayed(job: Job, error: OrderError): void {
    this.#engine.lifecycle.told(job, { status: 'failed', error });
  }

  // What the recovery tells and asks.

  hasRoom(): boolean {
    return this.#engine.capacity.hasRoom;
  }

  waits(): void {
    this.#engine.capacity.dismissImpatient();
  }

  isKnown(id: string): boolean {
    return this.#engine.inFlight.get(id) !== undefined;
  }

  recovered(job: Job): void {
    moveTo(job, 'pending');
    this.#engine.add(job);
    this.#engine.dispatcher.enqueue(job);
    this.#engine.dispatcher.wake();
    this.#engine.known.takenUp(job.id);
  }

  failed(error: OrderError): void {
    this.storageFailed(error);
  }

  over(): void {
    this.#engine.known.recoveryEnded();
    this.#engine.inFlight.isRecovering = false;
    this.#engine.capacity.roomMayHaveCome();
    // Those for whom there is none now.
    this.#engine.capacity.dismissImpatient();
    this.#engine.checkIdle();
  }

  #interrupted(error: OrderError): void {
    const { admission, dispatcher, inFlight, lifecycle, settler } = this.#engine;
    admission.failure = error;
    dispatcher.isHalted = true;
    settler.hold(error);
    // What the storage does not keep can't wait for it.
    for (const job of inFlight.all()) {
      if (job.entry !== undefined || job.state !== 'pending' || !dispatcher.drop(job)) continue;
      this.settling(job);
      settler.add(job, nothingToDo, undefined);
    }
    settler.flush();
    lifecycle.events.tell.interrupted?.(error);
  }

  #restored(): void {
    const { admission, dispatcher, lifecycle, settler } = this.#engine;
    admission.failure = undefined;
    dispatcher.isHalted = this.isLeaving;
    settler.release();
    dispatcher.wake(dispatcher.queue.size);
    lifecycle.events.tell.restored?.(undefined);
  }
}
