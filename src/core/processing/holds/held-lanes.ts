import type { Failure } from '../../lifecycle/entry.ts';
import type { Job } from '../../lifecycle/job.ts';
import type { Cancellation } from '../../runtime/abort.ts';
import type { Hold, ReleasedLane, RetriedOrder, StoredHold } from '../../storage/holds/hold.ts';
import { withoutOrder } from '../../storage/holds/lane-settlement.ts';
import { cancelOrder } from '../cancel-in-turn.ts';
import {
  canceledBy,
  checkAction,
  forgetFailure,
  heldBy,
  holdBy,
  isSameHold,
  orderOf,
  retriedOf,
  shown,
  tryAgain,
  whenRecorded,
} from './failed-orders.ts';
import { notOwned } from './hold-writes.ts';
import { failureOf } from './kept-failure.ts';
import { LaneHolds } from './lane-holds.ts';
import type { Release, ReleaseAction } from './release-options.ts';

/**
 * The lanes that are held: a lane is stopped before its hold is written, and goes on after the end of the hold is
 * written. All holds of the storage are in memory; where several processors share it, those of one owned partition.
 */
export class HeldLanes extends LaneHolds {
  /** Holds the lane of a user. If it is held already, only another `reason` is noted. */
  async hold(userId: string, reason: string | undefined): Promise<Hold> {
    this.checkOpen(userId);
    this.stop(userId);
    try {
      return await this.inTurn(userId, () => this.#hold(userId, reason));
    } finally {
      this.stopEnded(userId);
    }
  }

  /** Ends the hold of a user. */
  release(userId: string, release: Release): Promise<ReleasedLane> {
    return this.inTurn(userId, () => this.#release(userId, release));
  }

  /** An order has failed for good, and nothing of it runs: it holds its lane, at its head. */
  holdBy(job: Job): void {
    const { userId } = job;
    const { clock, dispatcher, failed, stopped } = this.sources;
    const failure = job.tries?.held as Failure;
    if (this.isClosed && job.entry === undefined) {
      // No release can come any more, and no storage keeps the order.
      dispatcher.putBack(job);
      this.#settle(job, failure);
      dispatcher.wake();
      return;
    }
    this.holds.set(userId, holdBy(job, failure, this.holds.get(userId), clock));
    dispatcher.queue.hold(userId);
    dispatcher.putBack(job);
    this.afterTurns(userId, () => this.#keep(job, failure));
    failed(userId);
    stopped();
    job.trace?.ended('held', failure.decision.error, failure.decision.steps);
  }

  /** Whether a failed order holds its lane. */
  isHeldBy(job: Job): boolean {
    const hold = this.holds.get(job.userId);
    return hold !== undefined && orderOf(hold, this.sources.inFlight) === job;
  }

  /** Cancels a failed order that holds its lane; false for any other. */
  cancel(job: Job, cancellation: Cancellation): boolean {
    const hold = this.holds.get(job.userId);
    if (hold === undefined || !this.isHeldBy(job)) return false;
    // It has begun: no order expires then.
    if (cancellation.code === 'expired') return true;
    const failure = failureOf(job, hold, this.sources.clock);
    const decision = canceledBy(job, failure, cancellation);
    forgetFailure(job);
    const recorded = whenRecorded(job);
    this.#settle(job, { decision, startedAt: failure.startedAt });
    this.afterTurns(job.userId, () => recorded.then(() => this.#leftBy(job)));
    return true;
  }

  /**
   * Cancels the failed order that holds the lane of a user, after the calls before.
   *
   * @returns (resolves) whether this call canceled it; false if the hold is not the one that is meant
   */
  cancelHeld(
    userId: string,
    release: Omit<Release, 'action'>,
    cancellation: Cancellation,
  ): Promise<boolean> {
    const { held, begin } = release;
    const isHeld = (): boolean => isSameHold(this.holds.get(userId), held as StoredHold);
    return this.inTurn(userId, async () => {
      if (!isHeld()) return false;
      await this.sources.whenTakenUp(release.orderId as string);
      if (begin !== undefined) await begin();
      const job = isHeld() && orderOf(held as StoredHold, this.sources.inFlight);
      return job ? cancelOrder(job, true, () => this.cancel(job, cancellation)) : false;
    });
  }

  async #hold(userId: string, reason: string | undefined): Promise<Hold> {
    const known = this.holds.get(userId);
    const given = reason ?? known?.reason ?? '';
    // A release that failed may have ended it in the storage.
    if (known?.reason === given && !this.writes.isUnsure(userId)) return shown(known);
    const hold: StoredHold = { heldAt: this.now(), ...known, userId, reason: given };
    await this.writes.hold(hold);
    // An order may have failed meanwhile, and hold the lane too.
    const whole: StoredHold = { ...hold, ...this.holds.get(userId), reason: hold.reason };
    this.holds.set(userId, whole);
    const { lifecycle } = this.sources;
    if (known === undefined) lifecycle.events.notify.held?.(shown(whole));
    lifecycle.idleness.check();
    return shown(whole);
  }

  async #release(userId: string, release: Release): Promise<ReleasedLane> {
    const { action, held } = release;
    // A call of `hold` that failed may have left it in the storage.
    const known = this.holds.get(userId) ?? this.writes.unsure(userId);
    if (held !== undefined && release.isBegun && !isSameHold(known, held)) {
      return this.#finish(held, known, release);
    }
    const hold = heldBy(known, userId, release);
    const { inFlight } = this.sources;
    const isTakenUp = this.#whenTakenUp(hold);
    if (isTakenUp !== undefined) await isTakenUp;
    checkAction(hold, orderOf(hold, inFlight), action);
    if (release.begin !== undefined) {
      await release.begin();
      // The lane may have been handed over meanwhile: then the next owner releases it.
      const isStillHere = this.#whenTakenUp(hold);
      if (isStillHere !== undefined) await isStillHere;
    }
    const job = orderOf(hold, inFlight);
    if (job !== undefined && action === 'skip') await this.#skip(job, hold);
    const retried = job !== undefined && action === 'retry' ? retriedOf(job, hold) : undefined;
    await this.#end(userId, release, retried);
    if (retried !== undefined && this.isHeldBy(job as Job)) tryAgain(job as Job, retried);
    return this.#released(hold, job === undefined ? undefined : action);
  }

  /** Resolves when the order that holds a lane is here, if one does; `undefined` if that need not be waited for. */
  #whenTakenUp({ orderId }: Hold): Promise<void> | undefined {
    return orderId === undefined ? undefined : this.sources.whenTakenUp(orderId);
  }

  /** An earlier owner has begun a release, and the hold is not there any more, or without its order. */
  async #finish(
    held: Hold,
    known: StoredHold | undefined,
    release: Release,
  ): Promise<ReleasedLane> {
    const done = held.orderId === undefined ? undefined : release.action;
    const isRest = known?.heldAt === held.heldAt && known.orderId === undefined;
    if (!isRest) return { ...shown(held), releasedAt: this.now(), action: done };
    await this.#end(held.userId, release);
    return { ...this.#released(known, done), ...shown(held) };
  }

  /**
   * Ends the hold in the storage. What is noted as begun is done by this owner or a later one, so it is tried again as
   * long as the storage fails: other processors see no hold that the storage may have ended.
   */
  async #end(userId: string, { begin, isBegun }: Release, retried?: RetriedOrder): Promise<void> {
    if (begin === undefined && isBegun !== true) await this.writes.release(userId, retried);
    else if (!(await this.writes.endHold(userId, retried))) throw notOwned();
  }

  #released(hold: StoredHold, action: ReleaseAction | undefined): ReleasedLane {
    const now = this.holds.get(hold.userId);
    this.holds.delete(hold.userId);
    // An order has failed meanwhile: it holds the lane from now on.
    if (now !== undefined && now !== hold) {
      this.holds.set(hold.userId, { ...now, reason: undefined, heldAt: this.now() });
    }
    const released = { ...shown(hold), releasedAt: this.now(), action };
    this.sources.lifecycle.events.notify.released?.(released);
    this.goOn(hold.userId);
    return released;
  }

  /**
   * The order fails; rejects with `storage_failed` if the storage did not record that. It may record it later, and end
   * the hold with it: no processor could release a lane then that is held in memory alone.
   */
  async #skip(job: Job, hold: StoredHold): Promise<void> {
    const settled = job.outcome();
    const recorded = whenRecorded(job);
    this.#settle(job, failureOf(job, hold, this.sources.clock));
    const outcome = await settled;
    if (!('error' in outcome) || outcome.error.code !== 'storage_failed') return;
    void recorded.then(() => this.afterTurns(job.userId, () => this.#leftBy(job, 'skip')));
    throw outcome.error;
  }

  #settle(job: Job, { decision, startedAt }: Failure): void {
    const { dispatcher } = this.sources;
    if (dispatcher.drop(job)) dispatcher.settle(job, { ...decision, endsHold: true }, startedAt);
  }

  async #keep(job: Job, failure: Failure): Promise<void> {
    const hold = this.holds.get(job.userId);
    // Its turn may have come after its release or its cancellation.
    if (hold?.orderId !== job.id || job.tries?.held !== failure) return;
    if (!(await this.writes.keep(hold))) return;
    this.sources.lifecycle.events.notify.held?.(shown(hold));
    this.sources.kept(job);
  }

  /** The order that held a lane is settled: the lane goes on, unless it is held by hand. */
  async #leftBy({ id, userId }: Job, action?: ReleaseAction): Promise<void> {
    const hold = this.holds.get(userId);
    if (hold?.orderId !== id || this.isClosed) return;
    const left = withoutOrder(hold);
    if (left !== undefined) {
      this.holds.set(userId, left);
      await this.writes.keep(left);
      return;
    }
    if (await this.writes.endHold(userId)) this.#released(hold, action);
  }
}
