import { ranks } from '../order/order.ts';
import type { OrderOutcome, OrderRecord, Receipt } from '../order/outcome.ts';
import { ParsedOrder } from '../order/parse-order.ts';
import { appliedPostings, orderedPostings } from '../order/receipt.ts';
import { repeatedOutcomeOf } from '../order/record.ts';
import { noResults, noSteps, notUndone, type RememberedStep } from '../order/step-result.ts';
import type { NewOrder, StoredOrder } from '../order/stored-order.ts';
import type { Lane, QueueEntry } from '../queue/lane.ts';
import { rejectedWith } from '../runtime/caller-frames.ts';
import type { Clock } from '../runtime/clock.ts';
import type { StepScope } from '../runtime/step-scope.ts';
import type { StepRun } from '../steps/run/step-run.ts';
import type { OrderTrace } from '../tracing/order-trace.ts';
import { type Entry, entryOf, type Follower, type Tries, triesOf } from './entry.ts';
import { isBegun, type OrderState } from './order-state.ts';

/** The known order that has the id of a new one. */
export type KnownOrder =
  /** It is accepted, or is being accepted, and is not settled. */
  | { readonly status: 'in flight'; readonly job: Job }
  /** It is settled and remembered. */
  | { readonly status: 'settled'; readonly record: OrderRecord };

type Resolve = (result: Receipt | Promise<never>) => void;

let resolveOfNewPromise: Resolve;
const keepResolve = (resolve: Resolve): void => {
  resolveOfNewPromise = resolve;
};

/**
 * An order inside the processor. A million of them may wait, so every field counts: `StepRun` has what only a running
 * order needs.
 */
export class Job extends ParsedOrder implements QueueEntry {
  /** On the processor's clock. */
  acceptedAt = 0;
  /**
   * The shift of the clock that gives Unix time when it was accepted: the order's times fit together even if that clock
   * is set later.
   */
  shift = 0;
  readonly state: OrderState = 'checking';
  /** Its place in the order of acceptance; 0 while a storage that keeps orders has not given it. */
  sequence = 0;
  /** A promise's `resolve`, one follower, or several. A set for each order would cost too much. */
  #audience: Resolve | Follower | Set<Follower> | undefined = undefined;
  // The keyed queue's links.
  prev: QueueEntry | undefined = undefined;
  next: QueueEntry | undefined = undefined;
  lane: Lane | undefined = undefined;
  /** The caller's async context, for the steps; without steps there is no field. */
  declare scope: StepScope | undefined;
  /** Set from the beginning of its steps to their end; without steps there is no field. */
  declare run: StepRun<Job> | undefined;
  /** What its steps have returned that are not run again; without any there is no field. */
  declare remembered: readonly RememberedStep[] | undefined;
  /** Its caller's signal, which cancels it; without a signal there is no field. */
  declare signal: AbortSignal | undefined;
  /** Set when a storage that keeps orders is asked to keep it; else there is no field. */
  declare entry: Entry | undefined;
  declare isUnawaited: boolean | undefined;
  /** The order that its callers follow since this one was forgotten; before that there is no field. */
  declare heir: Job | undefined;
  /** Set when a channel has subscribers; else there is no field. */
  declare trace: OrderTrace | undefined;
  /** Of an order that may hold its lane, or is tried again after that; else there is no field. */
  declare tries: Tries | undefined;
  /** In the state `joined`: the order whose outcome is this one's, too. */
  declare joined: KnownOrder | undefined;
  /** Follows that order while it is unsettled. */
  declare forward: Follower | undefined;

  /** An order that the storage kept for an earlier process, or in a call that failed. */
  static recovered(order: StoredOrder, clock: Clock): Job {
    const { id, userId, amount, priority, payload, content, labels, attempt, decided } = order;
    const job = new Job(id, userId, amount, ranks.indexOf(priority), payload, labels);
    if (content !== payload) job.input = content;
    if (order.postings.length > 0) job.ownPostings = orderedPostings(order.postings);
    job.acceptAt(order.acceptedAt, clock);
    job.entry = entryOf(attempt, decided);
    job.sequence = order.sequence;
    job.takeFrom(order);
    if (order.compensations !== undefined) job.tries = triesOf(order.compensations);
    if (order.remembered?.length > 0) {
      job.remembered = notUndone(order.remembered, order.compensations);
    }
    return job;
  }

  /** The same order for its callers, to be settled by another processor. This one is forgotten. */
  toAwaited(): Job {
    const heir = new Job(this.id, this.userId, this.amount, this.rank, this.payload, this.labels);
    this.completeCopy(heir);
    heir.acceptedAt = this.acceptedAt;
    heir.shift = this.shift;
    heir.entry = entryOf(1);
    heir.sequence = this.sequence;
    if (this.signal !== undefined) heir.signal = this.signal;
    // The scope goes with the functions that run in it.
    if (this.run === undefined) heir.scope = this.scope;
    if (this.run === undefined) this.scope = undefined;
    heir.#audience = this.#audience;
    this.#audience = undefined;
    this.heir = heir;
    return heir;
  }

  /** Its status before it is settled. Not named `status`, which distinguishes an outcome from a job. */
  get unsettledStatus(): 'processing' | 'pending' {
    return isBegun(this) ? 'processing' : 'pending';
  }

  /** Its steps no longer need its caller's async context: a tracer may forget it. */
  leaveScope(): void {
    this.scope?.end();
    if (this.scope !== undefined) this.scope = undefined;
  }

  /** How many earlier processes may have begun its steps. */
  get earlierAttempts(): number {
    return (this.entry?.attempt ?? 1) - 1 + (this.tries?.attempts ?? 0);
  }

  /** It is accepted now. */
  acceptNow(clock: Clock): void {
    this.acceptedAt = clock.now();
    this.shift = clock.shift;
  }

  /**
   * An earlier process accepted it. Only Unix time says how long ago: 0 if the clock that gives it was set back since.
   *
   * @param unixMs - when
   */
  acceptAt(unixMs: number, clock: Clock): void {
    this.acceptedAt = clock.fromUnix(unixMs);
    this.shift = clock.shiftOf(this.acceptedAt, unixMs);
  }

  /** A reading of the processor's clock as Unix milliseconds. */
  unixOf(reading: number, clock: Clock): number {
    return clock.toUnix(reading, this.shift);
  }

  /** The order as a storage keeps it. */
  toNewOrder(clock: Clock): NewOrder {
    const acceptedAt = this.unixOf(this.acceptedAt, clock);
    const order = { ...this.toOrder(), content: this.content, acceptedAt };
    return this.traceText === undefined ? order : { ...order, traceContext: this.traceContext };
  }

  /**
   * The record that `order(id)` gives before the order is settled.
   *
   * @param startedAt - on the processor's clock, if its processing has begun
   */
  toRecord(clock: Clock, startedAt?: number): OrderRecord {
    return {
      ...this.toOrder(),
      postings: appliedPostings(this.postings),
      orderedAmount: this.amount,
      status: this.unsettledStatus,
      acceptedAt: this.unixOf(this.acceptedAt, clock),
      startedAt: startedAt === undefined ? undefined : this.unixOf(startedAt, clock),
      settledAt: undefined,
      balance: undefined,
      code: undefined,
      message: undefined,
      retryable: undefined,
      steps: noSteps,
      results: noResults,
      progress: this.run?.progress,
    };
  }

  /** Whether a caller waits for the outcome. */
  get isFollowed(): boolean {
    const audience = this.#audience;
    return audience instanceof Set ? audience.size > 0 : audience !== undefined;
  }

  /** Whether one waits for more than its acceptance; if not, its callers are forgotten. */
  keepsCallers(): boolean {
    if (this.isUnawaited && !(this.#audience instanceof Set)) this.#audience = undefined;
    return this.isFollowed;
  }

  /** A caller may have looked the order up before it was forgotten: it follows what its callers follow. */
  follow(follower: Follower): void {
    const { heir } = this;
    const audience = this.#audience;
    if (heir !== undefined) heir.follow(follower);
    else if (audience === undefined) this.#audience = follower;
    else if (audience instanceof Set) audience.add(follower);
    else if (typeof audience !== 'function') this.#audience = new Set([audience, follower]);
    else {
      const first: Follower = { notify: (outcome) => audience(toResult(outcome)) };
      this.#audience = new Set([first, follower]);
    }
  }

  /** Resolves with the end of the order: it is settled or not accepted, or the storage failed to settle it. */
  outcome(): Promise<OrderOutcome> {
    return new Promise((resolve) => {
      this.follow({
        notify: (outcome, isSettled) => {
          // A storage that failed may settle it much later.
          const hasFailed = 'error' in outcome && outcome.error.code === 'storage_failed';
          if (isSettled || hasFailed) resolve(outcome);
          return isSettled || hasFailed;
        },
      });
    });
  }

  /** Removes a follower. */
  unfollow(follower: Follower): void {
    this.heir?.unfollow(follower);
    const audience = this.#audience;
    if (audience === follower) this.#audience = undefined;
    else if (audience instanceof Set) audience.delete(follower);
    if (!this.isFollowed) this.leave();
  }

  /**
   * A promise of the receipt. It keeps only its `resolve` in memory, since a million of them may wait: a failure
   * resolves it with a rejected promise.
   */
  promise(): Promise<Receipt> {
    const promise = new Promise<Receipt>(keepResolve);
    const resolve = resolveOfNewPromise;
    if (this.#audience === undefined) this.#audience = resolve;
    else this.follow({ notify: (outcome) => resolve(toResult(outcome)) });
    return promise;
  }

  /** The order is settled. */
  notify(outcome: OrderOutcome): void {
    const audience = this.#audience;
    this.#audience = undefined;
    if (audience === undefined) return;
    if (typeof audience === 'function') audience(toResult(outcome));
    else if (audience instanceof Set) for (const each of audience) each.notify(outcome, true);
    else audience.notify(outcome, true);
  }

  /** The outcome is certain: callers that do not wait until it is recorded get it. */
  notifyEarly(outcome: OrderOutcome): void {
    const audience = this.#audience;
    if (audience === undefined) return;
    if (typeof audience === 'function') this.notify(outcome);
    else if (audience instanceof Set) {
      for (const each of audience) {
        if (each.notify(outcome, false) !== false) audience.delete(each);
      }
    } else if (audience.notify(outcome, false) !== false) this.unfollow(audience);
  }

  /** Gets the outcome of the order that has the id; called in the state `joined`. */
  join(known: KnownOrder): void {
    this.joined = known;
    if (known.status === 'settled') {
      this.notify(repeatedOutcomeOf(known.record));
      return;
    }
    const notified = notifiedOf(known.job);
    if (notified !== undefined) this.notifyEarly(notified);
    if (!this.isFollowed) return;
    this.forward = {
      notify: (outcome, isSettled) => {
        if (isSettled) this.notify(outcome);
        else this.notifyEarly(outcome);
        return !this.isFollowed;
      },
    };
    known.job.follow(this.forward);
  }

  /** Follows the order that it has joined no longer. */
  leave(): void {
    if (this.forward === undefined) return;
    const { forward, joined } = this;
    this.forward = undefined;
    if (joined?.status === 'in flight') joined.job.unfollow(forward);
  }
}

/**
 * An outcome as what a promise's `resolve` takes. Not by its status: a listener may have changed the receipt, which is
 * the object that its caller gets.
 */
export function toResult(outcome: OrderOutcome): Receipt | Promise<never> {
  return 'error' in outcome ? rejectedWith(outcome.error) : outcome;
}

/** The outcome of which an unsettled order's callers have been notified. */
export function notifiedOf({ entry, run }: Job): OrderOutcome | undefined {
  return entry === undefined ? run?.notified : entry.notified;
}
