import type { AcceptedOrder } from '../order/order.ts';
import type { Awaitable } from '../runtime/awaitable.ts';
import type { CompensationContext, StepContext } from './contexts.ts';

/**
 * How often something that failed is tried again, and after what pauses. An error with a number from 0 up as
 * `retryAfterMs`, as a service gives it that asks for a pause, says itself how long the pause after it is, in
 * milliseconds: rounded up, 2 147 483 647 at most, and not random, even if it is more than `maxDelayMs`.
 *
 * @example
 * ```ts
 * import { OrderProcessor, type RetryOptions } from 'order-processor';
 *
 * // At once, after about 200 ms, after about 800 ms.
 * const retry: RetryOptions = { attempts: 3, delayMs: 200, factor: 4 };
 * export const processor = new OrderProcessor({ retry, steps: [{ name: 'pay', run: () => 'paid' }] });
 * ```
 *
 * @category Steps
 */
export interface RetryOptions {
  /** How many attempts there are, the first included. An integer from 1 up, 3 by default. */
  readonly attempts?: number | undefined;
  /**
   * The pause before the second attempt, in milliseconds: an integer from 1 to 2 147 483 647; 100 by
   * default, or `maxDelayMs` if that is less.
   */
  readonly delayMs?: number | undefined;
  /** By what each further pause is longer than the one before. From 1 up, 2 by default. */
  readonly factor?: number | undefined;
  /** The longest pause, in milliseconds: an integer from `delayMs` to 2 147 483 647; 30 000 by default, or `delayMs` if that is more. */
  readonly maxDelayMs?: number | undefined;
  /**
   * Whether a pause is a random part of itself, from half of it to all ("equal jitter", see
   * {@link https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ | Exponential
   * Backoff And Jitter}), so that steps that failed together are not tried again together. `true` by default.
   */
  readonly jitter?: boolean | undefined;
  /**
   * Whether to try again; only `true` does. By default always. An error whose `retryable` is `false`
   * is final, even if this returns `true`.
   *
   * @param error - what was thrown; an {@link OrderError} with `timeout` if the time was up
   * @param attempt - which attempt failed, from 1 up
   */
  readonly retryIf?: ((error: unknown, attempt: number) => boolean) | undefined;
}

/**
 * Limits of a compensation.
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 *
 * export const processor = new OrderProcessor({
 *   steps: [
 *     {
 *       name: 'pay',
 *       run: () => 'paid',
 *       compensate: () => {},
 *       compensation: { timeoutMs: 10_000, retry: { attempts: 5, delayMs: 1_000 } },
 *     },
 *   ],
 * });
 * ```
 *
 * @category Steps
 */
export interface CompensationOptions {
  /**
   * How long each attempt at the compensation may take, in milliseconds: an integer from 1 to
   * 2 147 483 647. By default what the step has, else what the processor has as `timeoutMs`, else
   * `stalledAfterMs`. When the time of the last attempt is up, its signal aborts, the compensation fails with `timeout`, and
   * the next one begins. If it succeeds after all, it counts: the step is compensated, also in the record of an order that
   * is settled by then.
   */
  readonly timeoutMs?: number | undefined;
  /** How often the compensation is tried. By default as often as the step. */
  readonly retry?: RetryOptions | undefined;
}

/**
 * What becomes of the lane of an order that failed for good; see {@link Step.onFailure}.
 *
 * @category Steps
 */
export type OnFailure = 'continue' | 'hold';

/**
 * One piece of an order's work. The steps of an order start together, except steps that come `after` others. The first
 * one that fails aborts the others through `context.signal`. When all have finished, the order's amount is applied. If
 * the order fails after all, the steps that may have had their effect are compensated, the last one to end first.
 *
 * A step may have had its effect as soon as it has begun: when it is aborted, its request may have arrived.
 * It is compensated too, once it has really ended, with `isFinished` false. Only a step that says that it failed
 * without effect is not: it throws an `OrderError` with a code of its own, or an error whose `retryable` is
 * `false`. So throw one only when you know that nothing was done.
 *
 * A step fails by throwing or rejecting. An `OrderError` fails the order with its code, message and `retryable`.
 * Any other error with a lower-snake-case `code` gives the order that code, and its `retryable` if it has one; its
 * message stays in `cause`, since it may not be meant for callers. Anything else is `internal` with the original as
 * `cause`. So is an error with a code of the processor itself (`OrderErrorCode`): a step has it from another processor.
 *
 * @typeParam Payload - the payload's type
 * @typeParam Result - what `run` gives, for `compensate`
 * @typeParam Name - its name, where the results of the processor are typed by it
 *
 * @example
 * ```ts
 * import { OrderError, OrderProcessor, type Step } from 'order-processor';
 *
 * const payment: Step<unknown, { chargeId: string }> = {
 *   name: 'payment',
 *   timeoutMs: 1_000,
 *   retry: { attempts: 3 },
 *   async run(order) {
 *     if (order.amount > 50_000) {
 *       throw new OrderError('payment_declined', 'Card declined', { retryable: false });
 *     }
 *     return { chargeId: `charge-of-${order.id}` };
 *   },
 *   async compensate(_order, { isFinished, result, error, idempotencyKey }) {
 *     const charge = isFinished ? result.chargeId : `the charge of ${idempotencyKey}`;
 *     console.log('refund', charge, 'because', error.code);
 *   },
 * };
 * const vendor: Step = {
 *   name: 'vendor',
 *   after: 'payment',
 *   async run() {
 *     throw new OrderError('vendor_unavailable', 'The kitchen is closed');
 *   },
 * };
 *
 * await using processor = new OrderProcessor({ steps: [payment, vendor], timeoutMs: 5_000 });
 * await processor.submit({ id: 'o-1', userId: 'u-1', amount: 1200 }).catch((error: OrderError) => {
 *   console.log(error.code, error.steps.map(({ status }) => status));
 * });
 * // prints: refund charge-of-o-1 because vendor_unavailable
 * // prints: vendor_unavailable [ 'compensated', 'error' ]
 * ```
 *
 * @category Steps
 */
export interface Step<Payload = unknown, Result = unknown, Name extends string = string> {
  /**
   * Unlike the other steps' names; it stands in the results. 1 to 256 characters (UTF-16 code units) of
   * well-formed Unicode.
   */
  readonly name: Name;
  /** The name or names of steps that must have finished before this one starts. None by default. */
  readonly after?: string | readonly string[] | undefined;
  /**
   * Whether an order needs this step, asked when the step would begin. It answers at once, by what the order is alone:
   * the same for the same order, at any time. If not, the step is `'skipped'`, and the steps that come after it go on as
   * if it had finished; it gives no result, and is not compensated. What it throws, and an answer that is no boolean,
   * fails the order with `internal`. Without it every order needs the step.
   *
   * @param order - the order, frozen
   */
  readonly when?: ((order: AcceptedOrder<Payload>) => boolean) | undefined;
  /**
   * Whether what it returns is on disk, where the storage keeps orders, before anything that comes after it begins. After a
   * restart it is not run again then: the steps after it and its compensation get what it returned, and so does the
   * receipt. Without it a step is run again for an order that an earlier process left unsettled. That still
   * happens if the process ends while the step runs, or right after it: hand the `idempotencyKey` on. `false` by default.
   */
  readonly remember?: boolean | undefined;
  /**
   * How many orders may be in this step at once, over all workers: an integer from 1 up, no bound by
   * default. The others wait in order, with their worker; the wait does not count for the step's own
   * `timeoutMs`. Compensations are not counted.
   */
  readonly concurrency?: number | undefined;
  /**
   * How long each attempt may take, in milliseconds: an integer from 1 to 2 147 483 647. No limit by
   * default but the order's own. When an attempt's time is up, its signal aborts and it fails with `timeout`. If
   * another attempt is left, it waits until this one has really ended, for `stalledAfterMs` at most. If this one
   * succeeds after all, it counts.
   */
  readonly timeoutMs?: number | undefined;
  /** How often the step is tried. By default as the processor's `retry` says, else once. */
  readonly retry?: RetryOptions | undefined;
  /** Limits of the compensation; the step's limits by default. */
  readonly compensation?: CompensationOptions | undefined;
  /**
   * Does the work, in the async context of the order's `submit` or `enqueue`, so `AsyncLocalStorage`
   * works as expected. What it returns, or its promise resolves with, is there for the steps after it
   * and for `compensate`.
   *
   * @param order - the order, frozen
   * @param context - the signal, the attempt, what earlier steps returned
   */
  readonly run: (order: AcceptedOrder<Payload>, context: StepContext<Payload>) => Awaitable<Result>;
  /**
   * Undoes what `run` did, when the order has failed or was canceled after `run` had begun. `run` has really ended by
   * then, in this process or with an earlier one. It need not have finished: if `context.isFinished` is false, look by
   * the `idempotencyKey` for what it did, if anything. It may be called again for the same order: use the
   * `compensationKey`. It is not called if `run` has said that it failed without effect. What it comes to in the end counts,
   * even if its time was up before: an order does not hold its lane, nor run again, before all of its functions have ended.
   *
   * @param order - the order, frozen
   * @param context - what `run` returned if it finished, why the order failed, a signal of its own
   */
  compensate?(
    order: AcceptedOrder<Payload>,
    context: CompensationContext<Payload, Result>,
  ): Awaitable<unknown>;
  /**
   * What becomes of an order that this step fails for good, after its retries and after the compensation of steps:
   * `'continue'` settles it as failed, and the user's next order begins. `'hold'` settles nothing: the order holds the
   * user's lane, and its callers wait, until {@link OrderProcessor.release} has it run again or settles it as failed,
   * or until it is canceled. By default what the processor has as `onFailure`.
   */
  readonly onFailure?: OnFailure | undefined;
}

/**
 * A step of a processor whose results are typed: one of their names, with what stands there.
 *
 * @category Steps
 */
export type StepOf<Payload, Results> = unknown extends Results
  ? Step<Payload>
  : string extends keyof Results
    ? Step<Payload>
    : {
        [Name in keyof Results & string]: Step<Payload, Results[Name], Name>;
      }[keyof Results & string];
