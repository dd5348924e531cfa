import type { AsyncResource } from 'node:async_hooks';
import { ranks } from '../order/order.ts';
import type { OrderOutcome, OrderRecord, Receipt, UnfulfilledOutcome } from '../order/outcome.ts';
import { copyOf, ParsedOrder } from '../order/parse-order.ts';
import { noSteps } from '../order/step-result.ts';
import type { DecidedOutcome, NewOrder, StoredOrder } from '../order/stored-order.ts';
import type { Lane, QueueEntry } from '../queue/keyed-queue.ts';
import { rejectedWith } from '../runtime/caller-frames.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Run } from '../steps/step-run.ts';
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
  /** For who enqueued it, until it is kept. */
  kept: Promise<OrderRecord> | undefined;
  /** Who is told when it is kept. */
  waiters: Waiter[] | undefined;
}

export interface Waiter {
  readonly resolve: (record: OrderRecord) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Hears an order's outcome, be it that it is certain and not settled yet. `false` says that the
 * follower waits for the latter.
 */
export type Follower = (outcome: OrderOutcome, isSettled: boolean) => unknown;

type Resolve = (result: Receipt | Promise<never>) => void;

let resolveOfNewPromise: Resolve;
const keepResolve = (resolve: Resolve): void => {
  resolveOfNewPromise = resolve;
};

/**
 * An order inside the processor. A million of them may wait, so every field counts: whatever only a
 * running order needs is kept by its `Run`.
 */
export class Job extends ParsedOrder implements QueueEntry {
  /** On the processor's clock. */
  acceptedAt = 0;
  /** Of the machine's clock when it was accepted: whatever that does later, the order's moments fit together. */
  shift = 0;
  readonly state: OrderState = 'checking';
  /** The place in the order of acceptance; 0 while a storage that keeps orders has not given it. */
  sequence = 0;
  #audience: Resolve | Set<Follower> | undefined = undefined;
  // The keyed queue's links.
  prev: QueueEntry | undefined = undefined;
  next: QueueEntry | undefined = undefined;
  lane: Lane | undefined = undefined;
  /** The caller's async context, for the steps; not even a field where there are none. */
  declare scope: AsyncResource | undefined;
  /** From the beginning of its steps to their end; not even a field where there are none. */
  declare run: Run | undefined;
  /** Its caller's, which cancels it; not even a field where there is none. */
  declare signal: AbortSignal | undefined;
  /** Where the storage keeps orders, from the moment on that it is asked to; else not even a field. */
  declare entry: Entry | undefined;

  /** A job of an order, itself if it is one. */
  static of(order: ParsedOrder): Job {
    return order instanceof Job ? order : copyOf(order, Job);
  }

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
    this.scope.emitDestroy();
    this.scope = undefined;
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
    };
  }

  follow(follower: Follower): void {
    const audience = this.#audience;
    if (audience === undefined) this.#audience = new Set([follower]);
    else if (typeof audience === 'function') {
      this.#audience = new Set([(outcome) => audience(toResult(outcome)), follower]);
    } else audience.add(follower);
  }

  /** Resolves when the order is settled, or not accepted. */
  outcome(): Promise<OrderOutcome> {
    return new Promise((resolve) => {
      this.follow((outcome, isSettled) => {
        if (isSettled) resolve(outcome);
        return isSettled;
      });
    });
  }

  /** Somebody has given up. */
  unfollow(follower: Follower): void {
    if (this.#audience instanceof Set) this.#audience.delete(follower);
  }

  /**
   * A promise of the receipt. It keeps no more than its `resolve` alive, since a million of them may
   * wait: a failure resolves it with a promise that is rejected.
   */
  promise(): Promise<Receipt> {
    const promise = new Promise<Receipt>(keepResolve);
    const resolve = resolveOfNewPromise;
    if (this.#audience === undefined) this.#audience = resolve;
    else this.follow((outcome) => resolve(toResult(outcome)));
    return promise;
  }

  /** The order is settled. */
  tell(outcome: OrderOutcome): void {
    const audience = this.#audience;
    this.#audience = undefined;
    if (typeof audience === 'function') audience(toResult(outcome));
    else if (audience !== undefined) for (const follower of audience) follower(outcome, true);
  }

  /** The outcome is certain: whoever does not wait for its settlement hears of it. */
  tellEarly(outcome: OrderOutcome): void {
    const audience = this.#audience;
    if (audience instanceof Set) {
      for (const follower of audience) {
        if (follower(outcome, false) !== false) audience.delete(follower);
      }
    } else this.tell(outcome);
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
    kept: undefined,
    waiters: undefined,
  };
}
