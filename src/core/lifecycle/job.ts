import { ranks } from '../order/order.ts';
import type { OrderOutcome, OrderRecord, Receipt, UnfulfilledOutcome } from '../order/outcome.ts';
import { ParsedOrder } from '../order/parse-order.ts';
import { outcomeOfRecord } from '../order/record.ts';
import { noSteps } from '../order/step-result.ts';
import type { DecidedOutcome, NewOrder, StoredOrder } from '../order/stored-order.ts';
import type { Lane, QueueEntry } from '../queue/keyed-queue.ts';
import { rejectedWith } from '../runtime/caller-frames.ts';
import type { Clock } from '../runtime/clock.ts';
import type { StepScope } from '../runtime/step-scope.ts';
import type { StepRun } from '../steps/run/step-run.ts';
import { isBegun, type OrderState } from './order-state.ts';

/** What only orders have that a storage keeps. */
export interface Entry {
  /** How often it may have been begun, this time included. */
  readonly attempt: number;
  /** What an earlier process had noted that it comes to; its callers may have been told. */
  readonly decided: DecidedOutcome | undefined;
  /** It was canceled while it waited, and what its steps may have done before a restart is compensated in its turn. */
  canceled: DecidedOutcome | undefined;
  /** The same in this life; not before it is noted. */
  told: UnfulfilledOutcome | undefined;
  /** The storage has noted what it comes to, in this process. */
  isNoted: boolean;
  /** Who is told when it is kept. */
  waiters: Waiter[] | undefined;
}

export interface Waiter {
  readonly resolve: (record: OrderRecord) => void;
  readonly reject: (error: unknown) => void;
}

/** Follows an order for a caller. */
export interface Follower {
  /**
   * Takes the outcome of the order.
   *
   * @param isSettled - false if the outcome is certain, and is not recorded yet
   * @returns `false` if the follower waits until it is recorded
   */
  notify(outcome: OrderOutcome, isSettled: boolean): unknown;
}

/** The order that has the id of one that is handed in. */
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
 * An order inside the processor. A million of them may wait, so every field counts: whatever only a
 * running order needs is kept by its `StepRun`.
 */
export class Job extends ParsedOrder implements QueueEntry {
  /** On the processor's clock. */
  acceptedAt = 0;
  /** Of the machine's clock when it was accepted: whatever that does later, the order's moments fit together. */
  shift = 0;
  readonly state: OrderState = 'checking';
  /** The place in the order of acceptance; 0 while a storage that keeps orders has not given it. */
  sequence = 0;
  /** A promise's `resolve`, one follower, or several: a set for each order would cost too much. */
  #audience: Resolve | Follower | Set<Follower> | undefined = undefined;
  // The keyed queue's links.
  prev: QueueEntry | undefined = undefined;
  next: QueueEntry | undefined = undefined;
  lane: Lane | undefined = undefined;
  /** The caller's async context, for the steps; not even a field where there are none. */
  declare scope: StepScope | undefined;
  /** From the beginning of its steps to their end; not even a field where there are none. */
  declare run: StepRun<Job> | undefined;
  /** Its caller's, which cancels it; not even a field where there is none. */
  declare signal: AbortSignal | undefined;
  /** Where the storage keeps orders, from the moment on that it is asked to; else not even a field. */
  declare entry: Entry | undefined;
  /** In the state `joined`: the order whose outcome is this one's, too. */
  declare joined: KnownOrder | undefined;
  /** Follows that order while it is unsettled. */
  declare forward: Follower | undefined;

  /** An order that the storage kept in an earlier life, or that was taken to be lost. */
  static recovered(order: StoredOrder, clock: Clock): Job {
    const { id, userId, amount, priority, payload, content, labels, attempt, decided } = order;
    const job = new Job(id, userId, amount, ranks.indexOf(priority), payload, labels);
    if (content !== payload) job.input = content;
    job.acceptAt(order.acceptedAt, clock);
    job.entry = entryOf(attempt, decided);
    job.sequence = order.sequence;
    return job;
  }

  /** Its status before it is settled. Not `status`: that tells an outcome from a job. */
  get unsettledStatus(): 'processing' | 'pending' {
    return isBegun(this) ? 'processing' : 'pending';
  }

  /** Its steps need its caller's async context no more: a tracer may forget it. */
  leaveScope(): void {
    if (this.scope === undefined) return;
    this.scope.end();
    this.scope = undefined;
  }

  /** How often its steps may have been begun by earlier processes. */
  get earlierAttempts(): number {
    const { entry } = this;
    return entry === undefined ? 0 : entry.attempt - 1;
  }

  /** It is accepted now. */
  acceptNow(clock: Clock): void {
    this.acceptedAt = clock.now();
    this.shift = clock.shift;
  }

  /**
   * It was accepted by another process. How long that is ago only the machine's clock can say: no time at all if it
   * has been set back since.
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

  /** What a storage is to keep. */
  toNewOrder(clock: Clock): NewOrder {
    const acceptedAt = this.unixOf(this.acceptedAt, clock);
    return { ...this.toOrder(), content: this.content, acceptedAt };
  }

  /**
   * What `order(id)` answers before the order is settled.
   *
   * @param startedAt - on the processor's clock, if its processing has begun
   */
  toRecord(clock: Clock, startedAt?: number): OrderRecord {
    return {
      ...this.toOrder(),
      status: this.unsettledStatus,
      acceptedAt: this.unixOf(this.acceptedAt, clock),
      startedAt: startedAt === undefined ? undefined : this.unixOf(startedAt, clock),
      settledAt: undefined,
      balance: undefined,
      code: undefined,
      message: undefined,
      retryable: undefined,
      steps: noSteps,
      progress: this.run?.progress,
    };
  }

  /** Whether a caller waits for the outcome. */
  get isFollowed(): boolean {
    const audience = this.#audience;
    return audience instanceof Set ? audience.size > 0 : audience !== undefined;
  }

  follow(follower: Follower): void {
    const audience = this.#audience;
    if (audience === undefined) this.#audience = follower;
    else if (audience instanceof Set) audience.add(follower);
    else if (typeof audience !== 'function') this.#audience = new Set([audience, follower]);
    else {
      const first: Follower = { notify: (outcome) => audience(toResult(outcome)) };
      this.#audience = new Set([first, follower]);
    }
  }

  /** Resolves when the order is settled, or not accepted, or the storage failed to settle it. */
  outcome(): Promise<OrderOutcome> {
    return new Promise((resolve) => {
      this.follow({
        notify: (outcome, isSettled) => {
          // A storage that failed may settle it much later.
          const isFinal =
            isSettled || ('error' in outcome && outcome.error.code === 'storage_failed');
          if (isFinal) resolve(outcome);
          return isFinal;
        },
      });
    });
  }

  /** A caller waits for the outcome no longer. */
  unfollow(follower: Follower): void {
    const audience = this.#audience;
    if (audience === follower) this.#audience = undefined;
    else if (audience instanceof Set) audience.delete(follower);
    if (!this.isFollowed) this.leave();
  }

  /**
   * A promise of the receipt. It keeps no more than its `resolve` alive, since a million of them may
   * wait: a failure resolves it with a promise that is rejected.
   */
  promise(): Promise<Receipt> {
    const promise = new Promise<Receipt>(keepResolve);
    const resolve = resolveOfNewPromise;
    if (this.#audience === undefined) this.#audience = resolve;
    else this.follow({ notify: (outcome) => resolve(toResult(outcome)) });
    return promise;
  }

  /** The order is settled. */
  tell(outcome: OrderOutcome): void {
    const audience = this.#audience;
    this.#audience = undefined;
    if (audience === undefined) return;
    if (typeof audience === 'function') audience(toResult(outcome));
    else if (audience instanceof Set) for (const each of audience) each.notify(outcome, true);
    else audience.notify(outcome, true);
  }

  /** The outcome is certain: callers that do not wait until it is recorded get it. */
  tellEarly(outcome: OrderOutcome): void {
    const audience = this.#audience;
    if (audience === undefined) return;
    if (typeof audience === 'function') this.tell(outcome);
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
      this.tell(outcomeOfRecord(known.record));
      return;
    }
    const told = toldOf(known.job);
    if (told !== undefined) this.tellEarly(told);
    if (!this.isFollowed) return;
    this.forward = {
      notify: (outcome, isSettled) => {
        if (isSettled) this.tell(outcome);
        else this.tellEarly(outcome);
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
 * An outcome as what a promise's `resolve` takes. Not by its status: a listener may have written over that of a
 * receipt, which is the object that its caller gets.
 */
export function toResult(outcome: OrderOutcome): Receipt | Promise<never> {
  return 'error' in outcome ? rejectedWith(outcome.error) : outcome;
}

/** What its callers have been told of an order that is not settled. */
export function toldOf({ entry, run }: Job): OrderOutcome | undefined {
  return entry === undefined ? run?.told : entry.told;
}

export function entryOf(attempt: number, decided?: DecidedOutcome): Entry {
  return {
    attempt,
    decided,
    canceled: undefined,
    told: undefined,
    isNoted: false,
    waiters: undefined,
  };
}
