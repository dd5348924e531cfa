import type { AsyncResource } from 'node:async_hooks';
import type { Clock } from './clock.ts';
import type { Lane, QueueEntry } from './keyed-queue.ts';
import { type AcceptedOrder, ParsedOrder } from './order.ts';
import type { OrderOutcome, OrderRecord, Receipt } from './outcome.ts';
import { noSteps } from './outcome.ts';
import type { Run } from './pipeline.ts';

/**
 * Where an accepted order is. `settling`: its outcome is decided and on its way to the storage, so it
 * can't be canceled any more. `settled`: recorded, and its caller told. `abandoned`: shutdown's
 * deadline passed before the storage answered.
 */
export type JobState = 'pending' | 'processing' | 'settling' | 'settled' | 'abandoned';

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
  state: JobState = 'pending';
  #audience: Resolve | Set<Follower> | undefined = undefined;
  // The keyed queue's links.
  prev: QueueEntry | undefined = undefined;
  next: QueueEntry | undefined = undefined;
  lane: Lane | undefined = undefined;
  /** The caller's async context, for the steps; not even a field where there are none. */
  declare scope: AsyncResource | undefined;
  /** From the beginning of its steps to their end; not even a field where there are none. */
  declare run: Run | undefined;

  /** A job of an order, itself if it is one. */
  static of(order: ParsedOrder): Job {
    if (order instanceof Job) return order;
    const { id, userId, amount, rank, payload, labels } = order;
    const job = new Job(id, userId, amount, rank, payload, labels);
    if ('input' in order) job.input = order.input;
    return job;
  }

  /** What steps see. */
  toOrder(): AcceptedOrder {
    const { id, userId, amount, priority, payload, labels } = this;
    return Object.freeze({ id, userId, amount, priority, payload, labels });
  }

  /**
   * What `order(id)` answers before the order is settled.
   *
   * @param startedAt - on the processor's clock, if its processing has begun
   */
  toRecord(clock: Clock, startedAt?: number): OrderRecord {
    return {
      ...this.toOrder(),
      status: this.state === 'pending' ? 'pending' : 'processing',
      acceptedAt: clock.toUnix(this.acceptedAt),
      startedAt: startedAt === undefined ? undefined : clock.toUnix(startedAt),
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

/** An outcome as what a promise's `resolve` takes. */
export function toResult(outcome: OrderOutcome): Receipt | Promise<never> {
  return outcome.status === 'completed' ? outcome : Promise.reject(outcome.error);
}
