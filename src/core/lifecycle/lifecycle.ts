import { noteOutcome, type OrderError } from '../order/order-error.ts';
import type { OrderOutcome, UnfulfilledOutcome } from '../order/outcome.ts';
import { asOrderError, leftBehind, storageFailed } from '../order/processor-errors.ts';
import type { Times } from '../order/stored-order.ts';
import { waitMsOf } from '../order/times/order-times.ts';
import { orderChannel } from '../tracing/channels.ts';
import type { TracedProcessor } from '../tracing/operation.ts';
import { Events } from './events.ts';
import { Idleness } from './idleness.ts';
import type { Job, KnownOrder } from './job.ts';
import type { LifecycleListener, LifecycleSources } from './lifecycle-listener.ts';
import { isOver, moveTo, type OrderState } from './order-state.ts';
import { Counts, Timings } from './stats.ts';
import { traceProcessing } from './tracing/trace-job.ts';

/**
 * Moves orders from state to state, and does what follows: counts, callers, events, room and idleness. One listener
 * passes moves on to other stages.
 */
export class Lifecycle {
  readonly events = new Events();
  readonly counts = new Counts();
  readonly timings = new Timings();
  readonly idleness: Idleness;
  readonly traced: TracedProcessor;
  readonly #sources: LifecycleSources;
  #listener: LifecycleListener | undefined;
  #isNotifying = false;
  /** How many accepted orders shutdown has left in the storage. */
  keptCount = 0;

  constructor(sources: LifecycleSources) {
    this.traced = sources.traced;
    this.#sources = sources;
    this.idleness = new Idleness(
      sources.inFlight,
      {
        heldOrders: () => this.#listener?.heldOrders() ?? 0,
        hasRunningSteps: () => this.#listener?.hasRunningSteps() === true,
      },
      (isStillIdle) => this.#notifyIdle(isStillIdle),
    );
  }

  connect(listener: LifecycleListener): void {
    this.#listener = listener;
  }

  /** Whether an unsettled order is accepted. A storage that keeps orders must have it first. */
  isAccepted({ state, entry }: Job): boolean {
    return !this.#sources.isKeeping || (entry !== undefined && state !== 'accepting');
  }

  /** The order has a permit of `capacity` from now on. */
  place(job: Job): void {
    this.idleness.end();
    if (job.sequence === 0) job.sequence = this.#sources.nextSequence();
    this.#sources.inFlight.add(job);
  }

  /** Admission refuses the order. */
  refuseNew(job: Job, thrown: unknown): void {
    this.leaveKnown(job, this.refused(thrown));
  }

  /** The id is known, but the caller cannot wait for the known order, which goes on. */
  leaveKnown(job: Job, outcome: UnfulfilledOutcome): void {
    moveTo(job, 'refused');
    job.notify(outcome);
    job.trace?.submitted('refused', job, outcome.error);
  }

  /** The order's id is known: the known order's outcome is this one's. */
  joinKnown(job: Job, known: KnownOrder): void {
    moveTo(job, 'joined');
    job.join(known);
    job.trace?.submitted('known', job);
  }

  /** A move that has no effects here. */
  move(job: Job, state: Exclude<OrderState, 'checking' | 'settled' | 'released'>): void {
    moveTo(job, state);
  }

  /** The order waits for its turn. */
  pending(job: Job): void {
    if (job.state !== 'pending') moveTo(job, 'pending');
  }

  /** @param startedAt - on the processor's clock */
  started(job: Job, startedAt: number): void {
    const { started } = this.events.notify;
    const isTraced = orderChannel.hasSubscribers;
    if (started === undefined && !isTraced) return;
    const wasNotifying = this.#isNotifying;
    // The order is in no queue and not decided: an order that a listener submits for its user must not overtake it.
    this.#isNotifying = true;
    if (isTraced) traceProcessing(job, this.traced, startedAt, this.#sources.clock);
    // Otherwise `started` is raised when the settlement has accepted the order.
    if (this.isAccepted(job)) started?.(job.toRecord(this.#sources.clock, startedAt));
    this.#isNotifying = wasNotifying;
  }

  /** The order does not complete. */
  end(job: Job): void {
    // An order that shutdown has left goes on until its functions have ended.
    if (!isOver(job)) moveTo(job, 'ending');
  }

  /** The order is not accepted. */
  refuse(job: Job, error: OrderError): void {
    this.#leave(job, 'refused');
    this.#notifyLast(job, this.refused(error));
    job.trace?.over('refused', job, error);
  }

  /** Another order has the id of this one, and has this outcome. */
  join(job: Job, outcome: OrderOutcome): void {
    this.counts.duplicates += 1;
    this.#leave(job, 'joined');
    this.#notifyLast(job, outcome);
    job.trace?.over('known', job);
  }

  /** The order that is awaited is settled by another processor. */
  settledElsewhere(job: Job, outcome: OrderOutcome): void {
    if (outcome.status !== 'completed') noteOutcome(outcome.error, outcome.status);
    this.#leave(job, 'settled');
    this.#notifyLast(job, outcome);
  }

  /**
   * The order is another processor's to settle. Callers wait on for that.
   *
   * @returns the order that they follow from now on; `undefined` where there are none
   */
  forget(job: Job): Job | undefined {
    const heir = job.isFollowed ? job.toAwaited() : undefined;
    moveTo(job, 'kept');
    this.#sources.inFlight.remove(job);
    if (heir !== undefined) {
      moveTo(heir, 'awaited');
      this.#sources.inFlight.add(heir);
    }
    this.#listener?.left(job);
    this.idleness.check();
    job.trace?.ended('kept');
    return heir;
  }

  /** The order stays in the storage, for the next start. */
  keep(job: Job): void {
    this.keptCount += 1;
    this.#leave(job, 'kept');
    this.#notifyLast(job, leftBehind(job.facts));
    job.trace?.ended('kept');
  }

  /**
   * The processor closes, and the storage has not confirmed the order.
   *
   * @returns whether the order was accepted
   */
  giveUp(job: Job): boolean {
    const message = 'The storage did not answer before the deadline; the outcome is unknown';
    const error = storageFailed(message, undefined, job);
    const isAccepted = job.state !== 'accepting';
    if (isAccepted && !this.isAccepted(job)) this.counts.accepted += 1;
    moveTo(job, isAccepted ? 'unknown' : 'refused');
    this.#sources.inFlight.remove(job);
    job.trace?.over('unknown', job, error);
    const times = { acceptedAt: 0, startedAt: undefined, settledAt: 0 };
    if (isAccepted) this.#report({ status: 'failed', error }, times, job);
    else this.notified(job, this.refused(error), true);
    return isAccepted;
  }

  laneFreed(job: Job): void {
    this.#listener?.laneFreed(job);
  }

  /** The outcome of the order is recorded, or is `storage_failed` and never recorded. */
  settled(job: Job, outcome: OrderOutcome, times: Times): void {
    const isAcceptedByThis = !this.isAccepted(job);
    moveTo(job, 'settled');
    this.#sources.inFlight.remove(job);
    this.laneFreed(job);
    if (isAcceptedByThis) {
      this.#listener?.acceptedBySettlement(job);
      this.#acceptedBySettlement(job, outcome, times);
    }
    this.#report(outcome, times, job);
    this.#listener?.left(job);
    this.idleness.check();
  }

  #leave(job: Job, state: 'refused' | 'joined' | 'kept' | 'settled'): void {
    moveTo(job, state);
    this.#sources.inFlight.remove(job);
    this.#listener?.left(job);
  }

  /** The order has ended in this process. */
  #notifyLast(job: Job, outcome: OrderOutcome): void {
    this.notified(job, outcome, true);
    this.idleness.check();
  }

  /**
   * While listeners and callers are notified, an order that they submit goes to the queue, so the stack does not grow.
   */
  get isNotifying(): boolean {
    return this.#isNotifying;
  }

  #report(outcome: OrderOutcome, times: Times, job: Job): void {
    const { acceptedAt, startedAt, settledAt } = times;
    if (startedAt !== undefined) {
      const waitMs = waitMsOf(job.times?.notBefore, acceptedAt, startedAt);
      const durationMs = settledAt - startedAt;
      this.timings.record(waitMs, durationMs, this.#sources.clock.last);
      if (outcome.status !== 'completed') {
        // Not assigned: a host's storage may have frozen it.
        Reflect.set(outcome.error, 'waitMs', waitMs);
        Reflect.set(outcome.error, 'durationMs', durationMs);
      }
    }
    if (outcome.status !== 'completed') noteOutcome(outcome.error, outcome.status);
    const wasNotifying = this.#isNotifying;
    this.#isNotifying = true;
    // Callers first: a listener that changes the outcome must not change what they get.
    job.notify(outcome);
    job.trace?.settled(outcome);
    const { counts, events } = this;
    if (outcome.status === 'completed') {
      counts.completed += 1;
      events.notify.completed?.(outcome);
    } else {
      const { status, error } = outcome;
      counts[status] += 1;
      if (status !== 'refused') events.notify[status]?.(error);
    }
    this.#isNotifying = wasNotifying;
  }

  /** An order was accepted. */
  accepted(job: Job): void {
    this.counts.accepted += 1;
    job.trace?.submitted('accepted', job);
    this.events.notify.accepted?.(job.toRecord(this.#sources.clock));
  }

  /** The call that settled an order has accepted it, so the events before its outcome are raised now. */
  #acceptedBySettlement(job: Job, outcome: OrderOutcome, { startedAt }: Times): void {
    this.counts.accepted += 1;
    const { accepted, started } = this.events.notify;
    if (accepted === undefined && started === undefined && job.trace === undefined) return;
    const wasNotifying = this.#isNotifying;
    this.#isNotifying = true;
    job.trace?.submitted('accepted', job);
    // Otherwise the storage does not have it.
    if (outcome.status === 'completed' || outcome.error.code !== 'storage_failed') {
      const record = { ...job.toRecord(this.#sources.clock), status: 'pending' as const };
      accepted?.(record);
      if (startedAt !== undefined) started?.({ ...record, status: 'processing', startedAt });
    }
    this.#isNotifying = wasNotifying;
  }

  /**
   * The outcome of an order is certain: its callers need not wait until it is settled.
   *
   * @param isOver - there will be no later outcome
   */
  notified(job: Job, outcome: OrderOutcome, isOver = false): void {
    const wasNotifying = this.#isNotifying;
    this.#isNotifying = true;
    if (isOver) job.notify(outcome);
    else job.notifyEarly(outcome);
    this.#isNotifying = wasNotifying;
  }

  #notifyIdle(isStillIdle: () => boolean): void {
    if (this.events.notify.idle === undefined) return;
    const wasNotifying = this.#isNotifying;
    this.#isNotifying = true;
    this.events.idle(isStillIdle);
    this.#isNotifying = wasNotifying;
  }

  /** The error of anything that was thrown on an order's way to acceptance. */
  refused(thrown: unknown): UnfulfilledOutcome {
    const error = asOrderError(thrown);
    noteOutcome(error, 'refused');
    this.counts.refused += 1;
    this.events.notify.refused?.(error);
    return { status: 'refused', error };
  }
}
