import type { Follower } from '../lifecycle/entry.ts';
import type { Job } from '../lifecycle/job.ts';
import { bySignal, canceled, waitingEnded } from '../order/processor-errors.ts';
import type { TraceContext } from '../order/trace/trace-context.ts';
import type { Acceptance } from '../processing/acceptance.ts';
import type { AwaitedUsers } from '../queries/awaited-users.ts';
import { onAbort } from '../runtime/abort.ts';
import type { SubmitMessage } from '../tracing/messages.ts';
import { badOptions } from './caller-options.ts';
import type { Overflow } from './capacity.ts';
import type { HostTransaction } from './transactions/host-transaction.ts';

/** How a caller hands an order in. */
export interface Entry {
  readonly method: SubmitMessage['method'];
  readonly overflow: Overflow;
  /** Refuses the order before it is accepted. */
  readonly signal?: AbortSignal | undefined;
  /** Waits for the outcome; its signal cancels the order afterwards. */
  readonly caller?: Follower | undefined;
  /** Whether it belongs to a list or a stream, whose caller awaits it and hands in the next order after it. */
  readonly isListed?: boolean | undefined;
  /** Where it is accepted, if not in the processor's own way. */
  readonly transaction?: HostTransaction | undefined;
  /** The trace context of the order that comes again. */
  readonly retried?: TraceContext | undefined;
}

/**
 * Calls back when a signal aborts before the order has notified its callers.
 *
 * @returns what waits for that
 * @throws OrderError `invalid_order` if the signal throws
 */
export function callOnAbort(signal: AbortSignal, job: Job, callback: () => void): Follower {
  let stop: () => void;
  try {
    stop = onAbort(signal, callback);
  } catch (cause) {
    throw badOptions(cause);
  }
  const follower = { notify: stop };
  job.follow(follower);
  return follower;
}

/**
 * The signal of a caller cancels its order. If the order has failed and holds its lane, or is about to, the signal ends
 * the caller's wait alone: what becomes of the order is for operators.
 *
 * @param caller - waits for the order
 * @throws OrderError `invalid_order` if the signal throws
 */
export function cancelOnAbort(
  signal: AbortSignal,
  job: Job,
  caller: Follower,
  by: Pick<Acceptance, 'cancelNow' | 'holdsElsewhere'>,
): void {
  const leaveOrCancel = (isHeld: boolean): void => {
    if (!isHeld) {
      by.cancelNow(job, bySignal(signal));
      return;
    }
    job.signal = undefined;
    job.unfollow(abort);
    job.unfollow(caller);
    caller.notify({ status: 'canceled', error: waitingEnded(job.facts, signal) }, true);
  };
  const abort = callOnAbort(signal, job, () => {
    const isHeld = job.tries?.mayHold === true || by.holdsElsewhere(job);
    if (typeof isHeld === 'object') isHeld.then(leaveOrCancel, () => leaveOrCancel(false));
    else leaveOrCancel(isHeld === true);
  });
  job.signal = signal;
}

/** The signal of a caller ends its waiting for an order that another caller handed in. */
export function leaveByAbort(job: Job, signal: AbortSignal): void {
  const { joined } = job;
  job.leave();
  const order = joined?.status === 'in flight' ? joined.job : job;
  job.notify({ status: 'canceled', error: canceled(order, signal) });
}

/**
 * Records that a step awaits the orders of a list or a stream that it hands in.
 *
 * @param awaited - the order that the step waits for
 * @param job - the order that it handed in
 * @throws OrderError `deadlock` if the step would wait for itself
 */
export function awaitInStep(users: AwaitedUsers, awaited: Job, job: Job): void {
  const end = users.begin(awaited);
  if (end === undefined) return;
  job.follow({
    notify: (_, isSettled) => {
      if (isSettled) end();
      return isSettled;
    },
  });
}

/**
 * The promise that `submit` returns inside a step. The step waits for the order only if it awaits the promise, so
 * `then` checks for a deadlock: `await` and everything else that uses a promise call `then`.
 */
export class ReceiptPromise<T> extends Promise<T> {
  /** `then` and `catch` give plain promises. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  #begin: (() => (() => void) | undefined) | undefined;

  /** @param begin - called each time it is awaited, until it is settled; throws if the wait would be a deadlock */
  static of<T>(promise: Promise<T>, begin: () => (() => void) | undefined): ReceiptPromise<T> {
    const own = new ReceiptPromise<T>((resolve) => resolve(promise));
    own.#begin = begin;
    const settled = (): void => {
      own.#begin = undefined;
    };
    promise.then(settled, settled);
    return own;
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a promise
  override then<Value = T, Reason = never>(
    fulfilled?: ((value: T) => Value | PromiseLike<Value>) | null,
    rejected?: ((reason: unknown) => Reason | PromiseLike<Reason>) | null,
  ): Promise<Value | Reason> {
    try {
      const end = this.#begin?.();
      if (end !== undefined) super.then(end, end);
    } catch (error) {
      // The caller gets this error instead of the outcome.
      super.then(undefined, () => {});
      return Promise.reject(error).then(undefined, rejected);
    }
    return super.then(fulfilled, rejected);
  }
}
