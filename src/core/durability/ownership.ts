import type { InFlightOrders } from '../lifecycle/in-flight-orders.ts';
import { Job } from '../lifecycle/job.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import { isOver } from '../lifecycle/order-state.ts';
import { storageFailed } from '../order/processor-errors.ts';
import { outcomeOfRecord } from '../order/record.ts';
import type { StoredOrder } from '../order/stored-order.ts';
import { hasAborted, reasonOf } from '../runtime/abort.ts';
import type { Clock } from '../runtime/clock.ts';
import { withMessage } from '../storage/order-answers.ts';
import type { OwnedPartition, SharedOrders } from '../storage/shared-storage.ts';
import type { Availability } from './availability.ts';
import { EarlyOutcomes } from './early-outcomes.ts';
import type { HandedInOrders } from './handed-in-orders.ts';
import { holdsItsLane } from './held-elsewhere.ts';
import { OwnedOrders } from './owned-orders.ts';
import type { OwnershipListener } from './ownership-listener.ts';
import type { Turn } from './recovery.ts';

/** What `Ownership` needs of others. */
interface Sources {
  readonly shared: SharedOrders;
  readonly lifecycle: Lifecycle;
  readonly inFlight: InFlightOrders;
  readonly clock: Clock;
  readonly availability: Availability;
  readonly here: HandedInOrders;
  /**
   * How many owned orders may be unsettled in memory. Those that are awaited here do not count: each of them may wait
   * for one that is owned.
   */
  readonly capacity: number;
  /** How many owned orders wait in held lanes: they must not keep the others waiting. */
  heldSize(): number;
}

/**
 * Where several processors share the storage: which orders are this one's to process, and which are awaited here.
 *
 * ```text
 * partition: gained ─▶ owned ─▶ released ─▶ (its orders have ended) ─▶ none
 *                        └────────┴─▶ lost ─▶ none
 * order:     awaited ─▶ pending   the storage gives it, and its partition is owned
 *            awaited ─▶ settled   another processor has settled it
 *            pending, processing, … ─▶ kept   its partition is lost, or released before the order has begun; where a
 *                                             caller waits, another `Job` is `awaited` in its place
 * ```
 */
export class Ownership {
  readonly #owned: OwnedOrders;
  readonly #sources: Sources;
  readonly #listener: OwnershipListener;
  readonly #early: EarlyOutcomes;
  #isClosed = false;

  constructor(sources: Sources, listener: OwnershipListener) {
    this.#sources = sources;
    this.#listener = listener;
    this.#early = new EarlyOutcomes(sources.shared, sources.inFlight);
    this.#owned = new OwnedOrders((partition) => listener.ended(partition));
  }

  /** Begins to listen to the partitions' events. */
  join(): void {
    this.#sources.shared.join({
      gained: (partition) => {
        this.#owned.gain(partition);
        this.#listener.gained(partition);
      },
      released: (partition) => this.#release(partition),
      lost: (partition) => this.#lose(partition),
      settled: (order) => this.#settled(withMessage(order)),
      cancel: (id) => this.#cancel(id),
      asked: (request, partition) => this.#listener.asked(request, partition),
      answered: (id, answer) => this.#listener.answered(id, answer),
      applied: () => this.#listener.applied(),
    });
  }

  /** The processor begins to shut down. */
  leave(): void {
    this.#sources.shared.leave();
  }

  /** The processor has closed. */
  close(): void {
    this.#isClosed = true;
    this.#owned.close();
  }

  /** Whether the storage's next order is to be taken up now. */
  turnOf({ id }: StoredOrder, partition: OwnedPartition | undefined): Turn {
    if (!this.#owned.mayTake(partition)) return 'skip';
    const job = this.#sources.inFlight.get(id);
    // Whether it is the same order, the answer to its call says.
    if (job?.state === 'accepting') return 'wait';
    if (job !== undefined && job.state !== 'awaited') return 'skip';
    return this.#owned.size - this.#sources.heldSize() < this.#sources.capacity ? 'take' : 'wait';
  }

  /** The order to be enqueued for one that the storage gives, after `turnOf`. */
  take(order: StoredOrder, partition: OwnedPartition | undefined): Job {
    const { clock, inFlight } = this.#sources;
    const taken = Job.recovered(order, clock);
    const awaited = inFlight.get(order.id);
    if (awaited !== undefined) {
      awaited.entry = taken.entry;
      if (taken.remembered !== undefined) awaited.remembered = taken.remembered;
      if (taken.tries !== undefined) awaited.tries = taken.tries;
    }
    const job = awaited ?? taken;
    this.#owned.add(job, partition as OwnedPartition);
    return job;
  }

  /** An order handed in here is on its way into the storage. */
  handedIn(job: Job): void {
    this.#sources.here.add(job);
  }

  /** The storage keeps an order handed in here. */
  keptByStorage(job: Job): void {
    const order = this.#early.get(job.id);
    if (order !== undefined) this.#end(job, order);
    this.#listener.mayGoOn();
  }

  /** Whether a partition is owned, and not being released. */
  owns(partition: OwnedPartition): boolean {
    return this.#owned.mayTake(partition);
  }

  /** See {@link OwnedOrders.work}. */
  work(partition: OwnedPartition): (() => void) | undefined {
    return this.#owned.work(partition);
  }

  partitionOf(job: Job): OwnedPartition | undefined {
    return this.#owned.partitionOf(job);
  }

  /** A failed order holds its lane, and the storage has the hold: where its partition is being released, it is left. */
  heldInLane(job: Job): void {
    const partition = this.#owned.partitionOf(job);
    if (partition === undefined || this.#owned.mayTake(partition)) return;
    if (this.#listener.drop(job)) this.#forget([job]);
  }

  /** Asks the owner of an order that is awaited here to cancel it; false if it is not awaited. */
  cancel({ id, state }: Job): boolean {
    if (state !== 'awaited') return false;
    this.#requestCancel(id);
    return true;
  }

  /** Whether an order that is awaited here holds its lane at its owner; `undefined` for any other. */
  holdsLane(job: Job): Promise<boolean> | undefined {
    return job.state === 'awaited' ? holdsItsLane(this.#sources.shared, job) : undefined;
  }

  /** The caller of an order that is enqueued waits no longer. */
  unfollowed(job: Job): void {
    if (job.heir !== undefined) this.unfollowed(job.heir);
    if (job.state !== 'awaited') return;
    if (!job.isFollowed) this.#sources.lifecycle.forget(job);
    else if (job.isUnawaited) this.#watchAll([job]);
  }

  /** The order that the storage has. One that is unsettled is in flight by then, to be awaited. */
  async watch(id: string): Promise<StoredOrder | undefined> {
    const { clock, inFlight, lifecycle } = this.#sources;
    const [order] = await this.#early.ask([id]);
    if (order === undefined || order.settledAt !== undefined) return order;
    if (inFlight.get(id) === undefined && !this.#isClosed) {
      const job = Job.recovered(order, clock);
      lifecycle.move(job, 'awaited');
      lifecycle.place(job);
      this.#listener.awaited(job);
    }
    return order;
  }

  /** An order is in flight no longer. */
  left(job: Job): void {
    this.#sources.here.delete(job);
    this.#early.left(job);
    this.#owned.left(job);
    this.#listener.mayGoOn();
  }

  /** Nothing runs of a settled order any more. */
  ended(job: Job): void {
    this.#owned.delete(job);
  }

  /** The storage has refused to settle an order, since its partition is another processor's. */
  lostOrder(job: Job): void {
    const partition = this.#owned.partitionOf(job);
    if (partition !== undefined) this.#lose(partition);
  }

  /** The order, which has begun here, is settled already: its callers are notified of that. */
  settledBefore(job: Job): void {
    this.#forget([job]);
    this.#listener.abandoned(job);
    this.#listener.forgotten();
  }

  #release(partition: OwnedPartition): Promise<void> {
    const ended = this.#owned.work(partition);
    const isReleased = this.#owned.release(partition);
    if (ended !== undefined) void this.#listener.releasing(partition).finally(ended);
    this.#forget(this.#owned.of(partition).filter((job) => this.#listener.drop(job)));
    this.#owned.endIfEmpty(partition);
    return isReleased;
  }

  #lose(partition: OwnedPartition): void {
    const jobs = this.#owned.of(partition);
    this.#owned.end(partition);
    const dropped = jobs.filter((job) => this.#listener.drop(job));
    const begun = jobs.filter((job) => !isOver(job) && !dropped.includes(job));
    this.#forget(dropped);
    this.#forget(begun);
    for (const job of begun) this.#listener.abandoned(job);
    this.#listener.forgotten();
    this.#listener.mayGoOn();
  }

  #forget(jobs: readonly Job[]): void {
    const heirs: Job[] = [];
    for (const job of jobs) {
      const isCanceled = job.entry?.canceled !== undefined || job.run?.error?.code === 'canceled';
      const isHere = this.#sources.here.has(job);
      const heir = this.#sources.lifecycle.forget(job);
      if (heir === undefined) continue;
      heirs.push(heir);
      if (isHere) this.#sources.here.add(heir);
      if (isCanceled) this.#requestCancel(job.id);
    }
    if (heirs.length > 0) this.#watchAll(heirs);
  }

  #settled(order: StoredOrder): void {
    const { id } = order;
    const job = this.#sources.inFlight.get(id);
    this.#early.settled(order);
    // One that is processed here is settled by its own call, or lost.
    if (job?.state === 'awaited') this.#end(job, order);
  }

  #end(job: Job, order: StoredOrder): void {
    // The owner does not get the reason of a signal.
    const reason = hasAborted(job.signal) ? reasonOf(job.signal) : undefined;
    this.#sources.lifecycle.settledElsewhere(job, outcomeOfRecord(order, reason));
  }

  #cancel(id: string): void {
    const job = this.#sources.inFlight.get(id);
    if (job !== undefined && this.#owned.partitionOf(job) !== undefined) this.#listener.cancel(job);
  }

  async #requestCancel(id: string): Promise<void> {
    try {
      await this.#sources.shared.cancel(id);
    } catch (cause) {
      const message = 'The storage could not ask the owner of the order to cancel it';
      this.#listener.storageFailed(storageFailed(message, cause));
    }
  }

  /** Until the storage has answered: the callers of these orders wait. */
  async #watchAll(jobs: readonly Job[]): Promise<void> {
    const { availability } = this.#sources;
    for (let attempt = 1; ; attempt += 1) {
      const awaited = jobs.filter(({ state }) => state === 'awaited');
      if (this.#isClosed || awaited.length === 0) return;
      try {
        const orders = await this.#early.ask(awaited.map(({ id }) => id));
        for (const [at, job] of awaited.entries()) {
          const order = orders[at];
          if (order?.settledAt !== undefined && job.state === 'awaited') this.#end(job, order);
        }
        return;
      } catch (cause) {
        const message = 'The storage could not say what became of orders';
        this.#listener.storageFailed(storageFailed(message, cause));
        await availability.pause(attempt);
      }
    }
  }
}
