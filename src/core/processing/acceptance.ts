import { Tally } from '../collections/tally.ts';
import { Journal, type JournalListener } from '../durability/journal.ts';
import type { Ownership } from '../durability/ownership.ts';
import { type CallEnd, storageCall } from '../lifecycle/calls/storage-call.ts';
import { entryOf, type Waiter } from '../lifecycle/entry.ts';
import type { InFlightOrders } from '../lifecycle/in-flight-orders.ts';
import type { Job } from '../lifecycle/job.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import { isOver } from '../lifecycle/order-state.ts';
import type { OrderError } from '../order/order-error.ts';
import type { OrderOutcome, OrderRecord } from '../order/outcome.ts';
import { recordOf, repeatedOutcomeOf } from '../order/record.ts';
import type { StoredOrder } from '../order/stored-order.ts';
import { isDelayed } from '../order/times/order-times.ts';
import type { KnownOrders } from '../queries/known-orders.ts';
import type { Cancellation } from '../runtime/abort.ts';
import type { Clock } from '../runtime/clock.ts';
import type { JournalStorage } from '../storage/ledger.ts';
import type { Dispatcher } from './dispatcher.ts';
import { HeldOrders } from './holds/held-orders.ts';
import type { DelayedOrders } from './timing/delayed-orders.ts';

/** What `Acceptance` needs of others. */
interface Sources {
  readonly clock: Clock;
  readonly lifecycle: Lifecycle;
  readonly inFlight: InFlightOrders;
  readonly known: KnownOrders;
  readonly dispatcher: Dispatcher;
  /** Where the storage keeps orders. */
  readonly storage: JournalStorage | undefined;
  readonly stalledAfterMs: number;
  /** Where several processors share the storage. */
  ownership(): Ownership | undefined;
  delayed(): DelayedOrders;
  /** A call of the storage failed, or is not answered. */
  storageFailed(error: OrderError): void;
}

/**
 * From an order that has room to an accepted order in the queue. If the storage keeps orders, the journal keeps an
 * order before its acceptance. An order without steps that nothing holds back is accepted by its settlement instead, in
 * one write.
 */
export class Acceptance implements JournalListener {
  readonly journal: Journal | undefined;
  readonly heldOrders: HeldOrders;
  readonly #sources: Sources;
  /** By user: how many orders are on their way to be accepted by their settlement. */
  readonly #settling = new Tally();
  /** Callers of `enqueue` whose orders are to be accepted by their settlement. */
  readonly #enqueued = new Map<Job, Waiter>();
  /** True from the deadline of `shutdown` on: orders that the journal keeps stay in the storage for the next start. */
  isLeaving = false;

  constructor(sources: Sources) {
    this.#sources = sources;
    const { storage, clock, stalledAfterMs } = sources;
    this.heldOrders = new HeldOrders(sources);
    this.journal = storage && new Journal(storage, clock, stalledAfterMs, this);
  }

  /** Accepts an order that has room. If nothing is in its way, it is settled when this returns. */
  accept(job: Job): void {
    const { clock, lifecycle } = this.#sources;
    job.acceptNow(clock);
    lifecycle.place(job);
    if (this.#isKeptFirst(job)) this.#keep(job);
    else this.#proceed(job, true);
  }

  /**
   * Puts an order into the queue that the storage has given.
   *
   * @param isToCancel - it does not begin
   */
  recover(job: Job, isToCancel = false): void {
    const { delayed, known, lifecycle, ownership } = this.#sources;
    if (job.state !== 'awaited') lifecycle.place(job);
    // A shared storage says by its own clock what is due: those of several processors may differ.
    if (ownership() === undefined && delayed().isEarly(job)) delayed().delay(job, false, false);
    else {
      delayed().recovered(job);
      this.enter(job, isToCancel ? { message: 'The order was canceled' } : undefined);
    }
    known.takenUp(job.id);
  }

  /** Puts an order into its lane that is in flight. */
  enter(job: Job, cancellation?: Cancellation): void {
    const { dispatcher, lifecycle } = this.#sources;
    lifecycle.pending(job);
    dispatcher.enqueue(job);
    if (cancellation !== undefined) dispatcher.cancel(job, cancellation);
    dispatcher.wake();
    this.heldOrders.entered(job);
  }

  /**
   * Lets the journal keep the orders of the queue that were to be accepted by their settlement: a pause prevents that.
   *
   * @param userId - whose orders; the orders of all users when left out
   */
  keepWaiting(userId: string | undefined): void {
    const { dispatcher } = this.#sources;
    if (this.journal === undefined || dispatcher.hasSteps) return;
    for (const job of dispatcher.queue.waiting(userId)) {
      if (job.entry !== undefined || !dispatcher.drop(job)) continue;
      this.#keep(job);
      const enqueued = this.#enqueued.get(job);
      if (enqueued !== undefined) {
        this.journal.whenKept(job).then(enqueued.resolve, enqueued.reject);
      }
    }
  }

  /** Cancels an order that is not decided yet; false if it is. */
  cancelNow(job: Job, cancellation: Cancellation): boolean {
    // Its callers follow another one since it was forgotten.
    if (job.heir !== undefined) return this.cancelNow(job.heir, cancellation);
    if (this.#sources.ownership()?.cancel(job)) return true;
    // It stays in the storage when it is kept.
    if (this.isLeaving && job.state === 'accepting') return true;
    if (this.journal?.cancel(job, cancellation)) return true;
    if (this.#sources.delayed().cancel(job, cancellation)) return true;
    return this.#sources.dispatcher.cancel(job, cancellation);
  }

  /** Whether an order holds its lane at another processor, which owns it; `undefined` if none does. */
  holdsElsewhere(job: Job): Promise<boolean> | undefined {
    if (job.heir !== undefined) return this.holdsElsewhere(job.heir);
    return this.#sources.ownership()?.holdsLane(job);
  }

  /** The record of an order that is being accepted, if the storage has to answer whether it keeps it. */
  whenKept(job: Job): Promise<OrderRecord> | undefined {
    if (this.journal === undefined) return undefined;
    const kept = this.#whenKept(job, this.journal);
    // Its caller may ask later.
    kept.catch(() => {});
    return kept;
  }

  /** An order is on its way to be accepted by its settlement: the journal keeps no later one of its user before. */
  settling({ entry, userId }: Job): void {
    if (this.journal !== undefined && entry === undefined) this.#settling.add(userId, 1);
  }

  /** The settlement that was to accept an order has been answered. */
  settledUnkept({ userId }: Job): void {
    if (this.journal === undefined) return;
    this.#settling.add(userId, -1);
    if (this.#settling.of(userId) === 0) this.journal.release(userId);
  }

  /** The storage answers the settlement of an order with the order that has its id. */
  joinedBySettlement(job: Job, stored: StoredOrder): void {
    if (job.entry === undefined) this.settledUnkept(job);
    this.#sources.lifecycle.laneFreed(job);
    try {
      this.known(job, stored);
    } catch {
      // A conflict: its callers are notified.
    }
  }

  /** The storage failed, and does not have an order that was to be accepted by its settlement. */
  refusedBySettlement(job: Job, error: OrderError): void {
    this.settledUnkept(job);
    this.#sources.lifecycle.laneFreed(job);
    this.refused(job, error);
  }

  accepted(job: Job, cancellation?: Cancellation): void {
    this.#kept(job, true, cancellation);
  }

  known(job: Job, stored: StoredOrder, cancellation?: Cancellation): OrderRecord {
    const { known, lifecycle, clock } = this.#sources;
    try {
      known.checkSame(stored, job);
    } catch (error) {
      this.refused(job, error as OrderError);
      throw error;
    }
    if (stored.settledAt === undefined) {
      // An earlier call of the storage had kept it, and then failed.
      job.entry = entryOf(stored.attempt, stored.decided);
      job.sequence = stored.sequence;
      job.acceptAt(stored.acceptedAt, clock);
      job.takeFrom(stored);
      this.#acceptKnown(job, stored, cancellation);
    } else lifecycle.join(job, repeatedOutcomeOf(stored));
    return recordOf(stored);
  }

  refused(job: Job, error: OrderError): void {
    this.#sources.lifecycle.refuse(job, error);
  }

  calling(operation: 'accept', size: number): CallEnd | undefined {
    return storageCall(this.#sources.lifecycle.events, operation, size);
  }

  storageFailed(error: OrderError): void {
    this.#sources.storageFailed(error);
  }

  #acceptKnown(job: Job, stored: StoredOrder, cancellation: Cancellation | undefined): void {
    const { lifecycle, ownership } = this.#sources;
    // Any processor may have accepted it, and this one may have forgotten it.
    const isNew = ownership() === undefined && !isDelayed(stored.notBefore, stored.acceptedAt);
    if (isNew) lifecycle.pending(job);
    else {
      lifecycle.counts.duplicates += 1;
      job.trace?.submitted('known', job);
    }
    this.#kept(job, isNew, cancellation);
  }

  /** The storage has an order. */
  #kept(job: Job, isNew: boolean, cancellation: Cancellation | undefined): void {
    const { inFlight, lifecycle } = this.#sources;
    if (this.isLeaving) {
      if (isNew) lifecycle.accepted(job);
      lifecycle.keep(job);
      return;
    }
    inFlight.addSequence(job);
    this.#proceed(job, isNew, cancellation);
  }

  #await(job: Job, ownership: Ownership, isNew: boolean, cancellation?: Cancellation): void {
    const { delayed, lifecycle } = this.#sources;
    lifecycle.move(job, 'awaited');
    delayed().awaited(job);
    // A listener may cancel it.
    if (isNew) lifecycle.accepted(job);
    ownership.keptByStorage(job);
    if (cancellation !== undefined) ownership.cancel(job);
  }

  #isKeptFirst(job: Job): boolean {
    if (this.journal === undefined) return false;
    const { delayed, dispatcher, storage } = this.#sources;
    if (storage?.shared !== undefined || dispatcher.hasSteps || delayed().isEarly(job)) return true;
    return dispatcher.holdsBack(job.userId) || this.journal.countOf(job.userId) > 0;
  }

  #keep(job: Job): void {
    const { dispatcher, lifecycle } = this.#sources;
    dispatcher.admit(job);
    lifecycle.move(job, 'accepting');
    this.#sources.ownership()?.handedIn(job);
    this.journal?.add(job);
    if (this.#settling.of(job.userId) > 0) this.journal?.hold(job.userId);
  }

  /** The order is accepted: it waits for its turn, first for its time, or for its owner. */
  #proceed(job: Job, isNew: boolean, cancellation?: Cancellation): void {
    const delayed = this.#sources.delayed();
    const ownership = this.#sources.ownership();
    if (ownership !== undefined) this.#await(job, ownership, isNew, cancellation);
    else if (!delayed.isEarly(job)) {
      if (!isNew) delayed.handedInAgain(job);
      this.#enqueue(job, isNew, cancellation);
    } else {
      delayed.delay(job, isNew);
      if (cancellation !== undefined) delayed.cancel(job, cancellation);
    }
  }

  /** The order is accepted, or will be by its settlement. */
  #enqueue(job: Job, isNew: boolean, cancellation?: Cancellation): void {
    const { lifecycle, dispatcher } = this.#sources;
    lifecycle.pending(job);
    dispatcher.enqueue(job);
    // A listener may cancel it, or pause its user.
    if (isNew && lifecycle.isAccepted(job)) lifecycle.accepted(job);
    if (cancellation !== undefined) dispatcher.cancel(job, cancellation);
    dispatcher.proceed(lifecycle.isNotifying);
    this.heldOrders.entered(job);
  }

  async #whenKept(job: Job, journal: Journal): Promise<OrderRecord> {
    const { clock, dispatcher, known } = this.#sources;
    if (isOver(job)) return known.recordOfEnded(job, undefined);
    if (job.entry !== undefined) {
      if (job.state === 'accepting') return journal.whenKept(job);
      return job.toRecord(clock, dispatcher.runner.startedAtOf(job));
    }
    const { promise, resolve, reject } = Promise.withResolvers<OrderRecord>();
    this.#enqueued.set(job, { resolve, reject });
    // Its caller may be notified before it is settled: the storage failed.
    const outcome = new Promise<OrderOutcome>((notify) => job.follow({ notify }));
    outcome.then((first) => known.recordOfEnded(job, first)).then(resolve, reject);
    return promise.finally(() => this.#enqueued.delete(job));
  }
}
