import { Tally } from '../../collections/tally.ts';
import type { Failure } from '../../lifecycle/entry.ts';
import type { InFlightOrders } from '../../lifecycle/in-flight-orders.ts';
import type { Job } from '../../lifecycle/job.ts';
import { OrderError } from '../../order/order-error.ts';
import type { Cancellation } from '../../runtime/abort.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Hold, ReleasedLane, StoredHold, StoredHoldQuery } from '../../storage/holds/hold.ts';
import { withoutOrder } from '../../storage/holds/lane-settlement.ts';
import type { Dispatcher } from '../dispatcher.ts';
import {
  canceledBy,
  checkAction,
  forgetFailure,
  heldBy,
  holdBy,
  orderOf,
  retriedOf,
  shown,
  tryAgain,
} from './failed-orders.ts';
import { type HoldWriteSources, HoldWrites } from './hold-writes.ts';
import { failureOf } from './kept-failure.ts';
import { readHolds, readHoldsNow, readPage } from './read-holds.ts';
import type { Release, ReleaseAction } from './release-options.ts';
import { TurnsByUser } from './turns-by-user.ts';

/** What `HeldLanes` needs of others. */
interface Sources extends HoldWriteSources {
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
  readonly inFlight: InFlightOrders;
  /** Resolves when the orders of an earlier process are taken up. */
  recovered(): Promise<void>;
  /** A failed order holds the lane, with all that waits in it. */
  failed(userId: string): void;
  /** What waits in a lane keeps no recovery waiting any more. */
  stopped(): void;
  /** Orders of the queue that their settlement was to accept are accepted before. */
  keepWaiting(userId: string): void;
}

/**
 * The lanes that are held: a lane is stopped before its hold is written, and goes on after the end of the hold is
 * written. All holds of the storage are in memory.
 */
export class HeldLanes {
  readonly #sources: Sources;
  readonly #writes: HoldWrites;
  /** By user, the oldest hold first. */
  #holds = new Map<string, StoredHold>();
  /** By user: what is being done to the hold; a later call waits for that. */
  readonly #turns = new TurnsByUser();
  readonly #loaded = Promise.withResolvers<void>();
  /** By user: how many calls that are to hold the lane have not ended. */
  readonly #stopping = new Tally();
  #isLoaded = false;
  #isClosed = false;

  constructor(sources: Sources) {
    this.#sources = sources;
    this.#writes = new HoldWrites(sources);
  }

  /** How many lanes are held. */
  get size(): number {
    return this.#holds.size;
  }

  /** For how long the oldest hold has held its lane, in milliseconds. */
  get oldestMs(): number {
    for (const { heldAt } of this.#holds.values()) return Math.max(0, this.#now() - heldAt);
    return 0;
  }

  /** Reads the holds of an earlier process, before any of its orders begins. Rejects if the storage fails. */
  async load(): Promise<void> {
    if (!this.#isLoaded) this.#loadedAll(await readHolds(this.#sources.storage));
  }

  /**
   * The same of a storage that answers at once.
   *
   * @throws TypeError for one that does not
   */
  loadNow(): void {
    this.#loadedAll(readHoldsNow(this.#sources.storage));
  }

  /** Holds the lane of a user. If it is held already, only another `reason` is noted. */
  async hold(userId: string, reason: string | undefined): Promise<Hold> {
    this.#checkOpen(userId);
    this.#stop(userId);
    try {
      return await this.#inTurn(userId, () => this.#hold(userId, reason));
    } finally {
      this.#stopping.add(userId, -1);
      this.#goOn(userId);
    }
  }

  /** Ends the hold of a user. */
  release(userId: string, release: Release): Promise<ReleasedLane> {
    return this.#inTurn(userId, () => this.#release(userId, release));
  }

  /** An order has failed for good, and nothing of it runs: it holds its lane, at its head. */
  holdBy(job: Job): void {
    const { userId } = job;
    const { clock, dispatcher, failed, stopped } = this.#sources;
    const failure = job.tries?.held as Failure;
    if (this.#isClosed && job.entry === undefined) {
      // No release can come any more, and no storage keeps the order.
      dispatcher.putBack(job);
      this.#settle(job, failure);
      dispatcher.wake();
      return;
    }
    this.#holds.set(userId, holdBy(job, failure, this.#holds.get(userId), clock));
    dispatcher.queue.hold(userId);
    dispatcher.putBack(job);
    this.#afterTurns(userId, () => this.#keep(job, failure));
    failed(userId);
    stopped();
  }

  /** Whether a failed order holds its lane. */
  isHeldBy(job: Job): boolean {
    const hold = this.#holds.get(job.userId);
    return hold !== undefined && orderOf(hold, this.#sources.inFlight) === job;
  }

  /** Cancels a failed order that holds its lane; false for any other. */
  cancel(job: Job, cancellation: Cancellation): boolean {
    const hold = this.#holds.get(job.userId);
    if (hold === undefined || !this.isHeldBy(job)) return false;
    // It has begun: no order expires then.
    if (cancellation.code === 'expired') return true;
    const failure = failureOf(job, hold, this.#sources.clock);
    const decision = canceledBy(job, failure, cancellation);
    forgetFailure(job);
    const settled = job.outcome();
    this.#settle(job, { decision, startedAt: failure.startedAt });
    this.#afterTurns(job.userId, () => settled.then(() => this.#leftBy(job)));
    return true;
  }

  /** When the failed order began that holds a lane, in Unix milliseconds, if one does. */
  async beganAt(userId: string): Promise<number | undefined> {
    await this.#loaded.promise;
    return this.#holds.get(userId)?.failure?.startedAt;
  }

  /** One page of the holds that the storage has. */
  async page(query: StoredHoldQuery): Promise<readonly Hold[]> {
    const { storage, questions } = this.#sources;
    return (await readPage(storage, query, questions)).map(shown);
  }

  /** The processor shuts down: no call holds or releases a lane any more. An order that fails may still hold its own. */
  close(): void {
    this.#isClosed = true;
    this.#writes.isClosing = true;
    this.#loaded.resolve();
  }

  /** Resolves when no hold is being written or ended. */
  whenWritten(): Promise<void> {
    return this.#turns.whenDone();
  }

  #loadedAll(holds: ReadonlyMap<string, StoredHold>): void {
    this.#holds = new Map([...holds].sort(([, one], [, other]) => one.heldAt - other.heldAt));
    for (const userId of this.#holds.keys()) this.#sources.dispatcher.queue.hold(userId);
    this.#isLoaded = true;
    this.#loaded.resolve();
  }

  /** The calls for one user are made in the order in which they came, at once where none is under way. */
  #inTurn<T>(userId: string, call: () => Promise<T>): Promise<T> {
    return this.#afterTurns(userId, async () => {
      this.#checkOpen(userId);
      return call();
    });
  }

  #afterTurns<T>(userId: string, call: () => Promise<T>): Promise<T> {
    return this.#turns.after(userId, call, this.#isLoaded ? undefined : this.#loaded.promise);
  }

  #checkOpen(userId: string): void {
    if (!this.#isClosed) return;
    throw new OrderError('shut_down', 'The processor holds and releases no more lanes', { userId });
  }

  /** Nothing of the lane begins from now on, though an earlier call may be under way. */
  #stop(userId: string): void {
    this.#stopping.add(userId, 1);
    this.#sources.dispatcher.queue.hold(userId);
    this.#sources.keepWaiting(userId);
    this.#sources.stopped();
  }

  async #hold(userId: string, reason: string | undefined): Promise<Hold> {
    const known = this.#holds.get(userId);
    const given = reason ?? known?.reason ?? '';
    // A release that failed may have ended it in the storage.
    if (known?.reason === given && !this.#writes.isUnsure(userId)) return shown(known);
    const hold: StoredHold = { heldAt: this.#now(), ...known, userId, reason: given };
    await this.#writes.hold(hold);
    // An order may have failed meanwhile, and hold the lane too.
    const whole: StoredHold = { ...hold, ...this.#holds.get(userId), reason: hold.reason };
    this.#holds.set(userId, whole);
    const { lifecycle } = this.#sources;
    if (known === undefined) lifecycle.events.notify.held?.(shown(whole));
    lifecycle.idleness.check();
    return shown(whole);
  }

  async #release(userId: string, { action, orderId }: Release): Promise<ReleasedLane> {
    // A call of `hold` that failed may have left it in the storage.
    const known = this.#holds.get(userId) ?? this.#writes.unsure(userId);
    const hold = heldBy(known, userId, orderId);
    const { inFlight, recovered } = this.#sources;
    if (hold.orderId !== undefined && inFlight.isRecovering) await recovered();
    const job = orderOf(hold, inFlight);
    checkAction(hold, job, action);
    if (job !== undefined && action === 'skip') await this.#skip(job, hold);
    const retried = job !== undefined && action === 'retry' ? retriedOf(job, hold) : undefined;
    await this.#writes.end(userId, retried);
    if (retried !== undefined && this.isHeldBy(job as Job)) tryAgain(job as Job, retried);
    return this.#released(hold, job === undefined ? undefined : action);
  }

  #released(hold: StoredHold, action: ReleaseAction | undefined): ReleasedLane {
    const now = this.#holds.get(hold.userId);
    this.#holds.delete(hold.userId);
    // An order has failed meanwhile: it holds the lane from now on.
    if (now !== undefined && now !== hold) {
      this.#holds.set(hold.userId, { ...now, reason: undefined, heldAt: this.#now() });
    }
    const released = { ...shown(hold), releasedAt: this.#now(), action };
    this.#sources.lifecycle.events.notify.released?.(released);
    this.#goOn(hold.userId);
    return released;
  }

  /** The order fails; rejects with `storage_failed` if the storage did not record that. */
  async #skip(job: Job, hold: StoredHold): Promise<void> {
    const settled = job.outcome();
    this.#settle(job, failureOf(job, hold, this.#sources.clock));
    const outcome = await settled;
    if ('error' in outcome && outcome.error.code === 'storage_failed') throw outcome.error;
  }

  #settle(job: Job, { decision, startedAt }: Failure): void {
    const { dispatcher } = this.#sources;
    if (dispatcher.drop(job)) dispatcher.settle(job, { ...decision, endsHold: true }, startedAt);
  }

  async #keep(job: Job, failure: Failure): Promise<void> {
    const hold = this.#holds.get(job.userId);
    // Its turn may have come after its release or its cancellation.
    if (hold?.orderId !== job.id || job.tries?.held !== failure) return;
    await this.#writes.keep(hold);
    this.#sources.lifecycle.events.notify.held?.(shown(hold));
  }

  /** The order that held a lane is canceled: the lane goes on, unless it is held by hand. */
  async #leftBy({ id, userId }: Job): Promise<void> {
    const hold = this.#holds.get(userId);
    if (hold?.orderId !== id || this.#isClosed) return;
    const left = withoutOrder(hold);
    if (left !== undefined) {
      this.#holds.set(userId, left);
      await this.#writes.keep(left);
      return;
    }
    if (await this.#writes.endLeft(userId)) this.#released(hold, undefined);
  }

  /**
   * The lane goes on unless it is held, or a call is to hold it. While the processor shuts down none does: a later order
   * would overtake those that stay in the storage.
   */
  #goOn(userId: string): void {
    if (this.#isClosed || this.#holds.has(userId) || this.#stopping.of(userId) > 0) return;
    const { queue } = this.#sources.dispatcher;
    const { heldSize } = queue;
    queue.unhold(userId);
    // What waited in the lane is work again.
    if (queue.heldSize < heldSize) this.#sources.lifecycle.idleness.end();
    this.#sources.dispatcher.wake();
  }

  #now(): number {
    const { clock } = this.#sources;
    return clock.toUnix(clock.read());
  }
}
