import { Fifo } from '../../collections/fifo.ts';
import type { HandedInOrders } from '../../durability/handed-in-orders.ts';
import type { InFlightOrders } from '../../lifecycle/in-flight-orders.ts';
import { Job } from '../../lifecycle/job.ts';
import type { Lifecycle } from '../../lifecycle/lifecycle.ts';
import type { StoredOrder } from '../../order/stored-order.ts';
import { isDelayed, type OrderTimes } from '../../order/times/order-times.ts';
import type { Cancellation } from '../../runtime/abort.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Dispatcher } from '../dispatcher.ts';
import { orderTimers } from './order-expiry.ts';
import type { StoredDelays } from './stored-delays.ts';

/** What `DelayedOrders` needs of others. */
interface Sources {
  readonly clock: Clock;
  readonly lifecycle: Lifecycle;
  readonly inFlight: InFlightOrders;
  readonly dispatcher: Dispatcher;
  /** Where the storage keeps orders, for this processor alone: it has the delayed orders. */
  readonly stored: StoredDelays | undefined;
  /** Whether one more order may be in the queue or under way. */
  hasRoom(): boolean;
  /** Puts an order in flight into its lane. */
  enter(job: Job): void;
  /** Where several processors share the storage. */
  readonly here: HandedInOrders | undefined;
}

/**
 * Accepted orders whose `notBefore` has not come. They are in no lane, and do not count in `capacity`. Where the storage
 * keeps orders, only those are in memory for which a caller waits. A storage that several processors share gives them
 * when they are due: those that are in memory here are awaited, perhaps from another processor.
 */
export class DelayedOrders {
  readonly #sources: Sources;
  /** Those that are in memory. */
  readonly #jobs = new Set<Job>();
  /** Those that no storage gives when they are due. */
  readonly #timers;
  /** Of these, the ones that are due and for which there was no room. */
  readonly #due = new Fifo<Job>();
  #isLeaving = false;

  constructor(sources: Sources) {
    this.#sources = sources;
    this.#timers = orderTimers(sources.clock, (job) => {
      if (job.state === 'awaited') this.#awaitDue(job);
      else {
        this.#due.push(job);
        this.#enterDue();
      }
    });
  }

  /** How many accepted orders wait for their time, in memory and in the storage. */
  get size(): number {
    return this.#sources.stored?.count ?? this.#jobs.size;
  }

  /** Before the processor takes up the orders of the storage. Rejects if the storage cannot say how many there are. */
  async countEarlier(): Promise<void> {
    await this.#sources.stored?.countEarlier();
  }

  /** The processor has taken up the orders of an earlier process. */
  begin(): void {
    this.#sources.stored?.begin();
  }

  /** Whether the time of an order has not come. */
  isEarly({ times }: Job): boolean {
    return times?.isEarly(this.#sources.clock) === true;
  }

  /**
   * An accepted order waits for its time.
   *
   * @param isNew - whether it was not accepted before
   * @param isCounted - whether it is in `size` already
   */
  delay(job: Job, isNew: boolean, isCounted = !isNew): void {
    const { lifecycle, stored } = this.#sources;
    lifecycle.move(job, 'scheduled');
    this.#add(job);
    if (stored === undefined) this.#timers.add(job, (job.times as OrderTimes).notBefore as number);
    else stored.add(job, isCounted);
    // A listener may cancel it.
    if (isNew) lifecycle.accepted(job);
    if (job.state !== 'scheduled') return;
    if (this.#isLeaving) this.#leave(job);
    else if (stored !== undefined && !job.keepsCallers()) lifecycle.forget(job);
    else lifecycle.idleness.check();
  }

  /** An order is awaited from now on that another processor may process. */
  awaited(job: Job): void {
    if (!this.isEarly(job)) return;
    this.#add(job);
    this.#timers.add(job, (job.times as OrderTimes).notBefore as number);
    this.#sources.here?.wait(job);
    if (this.#isLeaving) this.#leave(job);
    else this.#sources.lifecycle.idleness.check();
  }

  #awaitDue(job: Job): void {
    this.#remove(job);
    this.#sources.here?.due(job);
    this.#sources.lifecycle.idleness.end();
  }

  /**
   * Asks the storage for an order. One that waits for its time is in memory when this resolves.
   *
   * @param ask - gives what the storage has
   */
  async asked(ask: () => Promise<StoredOrder | undefined>): Promise<StoredOrder | undefined> {
    const { stored } = this.#sources;
    if (stored === undefined) return ask();
    return stored.whileAsked(async () => {
      const order = await ask();
      if (order !== undefined && stored.has(order)) this.#takeUp(order);
      return order;
    });
  }

  #takeUp(order: StoredOrder): void {
    const { clock, inFlight, lifecycle } = this.#sources;
    if (inFlight.get(order.id) !== undefined) return;
    const job = Job.recovered(order, clock);
    lifecycle.move(job, 'scheduled');
    inFlight.add(job);
    this.#add(job);
    this.#sources.stored?.awaited(job);
  }

  /** Cancels an order that waits for its time; false if it does not. */
  cancel(job: Job, cancellation: Cancellation): boolean {
    if (job.state !== 'scheduled') return false;
    this.#remove(job);
    this.#sources.stored?.canceled();
    this.#sources.dispatcher.settleCanceled(job, cancellation);
    return true;
  }

  /** The time of an order in memory has come, and there is room. */
  enter(job: Job): void {
    const { enter, lifecycle } = this.#sources;
    this.#remove(job);
    this.#waitsFromNow(job);
    lifecycle.idleness.end();
    enter(job);
  }

  /** An order of the storage enters its lane that is not early any more. */
  recovered(job: Job): void {
    if (this.#jobs.has(job)) this.#awaitDue(job);
    const acceptedAt = job.unixOf(job.acceptedAt, this.#sources.clock);
    if (isDelayed(job.times?.notBefore, acceptedAt)) this.#waitsFromNow(job);
  }

  /** The same of one that was delayed, and that its caller has handed in again. */
  handedInAgain(job: Job): void {
    this.#sources.stored?.entered(job);
    this.#waitsFromNow(job);
  }

  /** An order is in flight no longer: there may be room. */
  left(job: Job): void {
    if (job.times !== undefined) this.#remove(job);
    if (!this.#due.isEmpty) this.#enterDue();
    this.#sources.stored?.left(job);
  }

  /**
   * The processor shuts down: these orders stay in a storage that keeps orders, for the next start. Others are
   * canceled.
   */
  async leave(): Promise<void> {
    const { clock, stored } = this.#sources;
    this.#isLeaving = true;
    this.#timers.close();
    stored?.close();
    for (const job of this.#jobs) {
      if (!clock.hasTime()) await clock.nextSlice();
      if (job.state === 'scheduled' || job.state === 'awaited') this.#leave(job);
    }
  }

  #leave(job: Job): void {
    this.#remove(job);
    const message = 'The processor shut down before the `notBefore` of the order';
    this.#sources.dispatcher.leave(job, message);
  }

  #waitsFromNow({ times }: Job): void {
    (times as OrderTimes).enteredAt = this.#sources.clock.now();
  }

  #enterDue(): void {
    while (!this.#due.isEmpty && this.#sources.hasRoom() && !this.#isLeaving) {
      const job = this.#due.shift();
      // It may have been canceled.
      if (job?.state === 'scheduled') this.enter(job);
    }
  }

  #add(job: Job): void {
    this.#jobs.add(job);
    this.#sources.inFlight.delayed = this.#jobs.size;
  }

  #remove(job: Job): void {
    if (!this.#jobs.delete(job)) return;
    this.#sources.inFlight.delayed = this.#jobs.size;
    if (this.#sources.stored === undefined) this.#timers.remove(job);
  }
}
