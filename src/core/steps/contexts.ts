import type { AcceptedOrder, Posting } from '../order/order.ts';
import type { OrderError } from '../order/order-error.ts';

/**
 * What steps and compensations get beside their order. Hand it on as it is, or its properties by name: they are made when
 * they are read, so a copy by `{ ...context }` has none of them.
 *
 * @typeParam Payload - the payload's type
 *
 * @category Steps
 */
export interface AttemptContext<Payload = unknown> {
  /**
   * Aborts when the order has failed, timed out or been canceled, and when this attempt's own
   * `timeoutMs` is over. Pass it to everything that the step waits for: a step that goes on in spite of it holds its
   * user's other orders until it ends. An `abort` listener that throws is an uncaught exception of the process, as
   * Node.js has it.
   */
  readonly signal: AbortSignal;
  /**
   * Which attempt at this step it is, from 1 up: above 1 the step may have had an effect already. With a
   * durable storage, each start of the process since the order was accepted counts as one more. It counts on when a held
   * order is released with `'retry'`; `attempts` of a {@link StepResult} counts those of the last run alone.
   */
  readonly attempt: number;
  /** The order, frozen; the same as the first argument. */
  readonly order: AcceptedOrder<Payload>;
  /** What the steps before this one have returned, by name: all steps that it comes after, directly or not. */
  readonly results: Readonly<Record<string, unknown>>;
  /**
   * The same for every attempt at this step of this order and for its compensation. No other step has it. Pass it to a
   * payment provider: a second attempt then does not charge twice, and the compensation finds the charge. It is the
   * order's id, a colon and the step's name as `encodeURIComponent` has it.
   */
  readonly idempotencyKey: string;
  /**
   * Says how far this attempt is: raises the event `progress`, and the order's record shows it while the order is
   * processed. It is kept in the memory of this process alone. An attempt that has ended, or was aborted, says nothing
   * any more.
   *
   * @param fraction - how much of it is done, from 0 to 1
   * @param label - what it is at, for people, up to 256 characters (UTF-16 code units)
   * @throws TypeError or RangeError for anything else
   */
  progress(fraction: number, label?: string): void;
}

/**
 * What is settled beside the amount of an order.
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 *
 * await using processor = new OrderProcessor({
 *   steps: [
 *     {
 *       name: 'ride',
 *       run(_order, { setAmount }) {
 *         setAmount(-640, { postings: [{ userId: 'driver', amount: 640 }] });
 *       },
 *     },
 *   ],
 * });
 * await processor.submit({
 *   userId: 'ann',
 *   amount: -1000,
 *   postings: [{ userId: 'driver', amount: 1000 }],
 * });
 * ```
 *
 * @category Steps
 */
export interface FinalAmountOptions {
  /**
   * The credits that are applied, each to a user of the ordered postings: an integer in minor units from 0 to what was
   * ordered for the user. A user that is left out gets 0. Needed if the order has postings.
   */
  readonly postings?: readonly Posting[] | undefined;
}

/**
 * What a step gets beside its order. Hand it on as it is, or its properties by name: they are made when they are read,
 * so a copy by `{ ...context }` has none of them.
 *
 * @typeParam Payload - the payload's type
 *
 * @category Steps
 */
export interface StepContext<Payload = unknown> extends AttemptContext<Payload> {
  /**
   * Says what is really owed: the amount that is settled if the order completes, in place of the one that was ordered,
   * as of a taxi that was cheaper, or of hours that were not used. The user's later orders wait until then, so what was
   * ordered is reserved by that. The last call counts, of those in attempts that finished. An attempt that was aborted
   * changes nothing.
   *
   * @param amount - an integer in minor units between 0 and the amount ordered
   * @param options - what is settled of the order's postings; needed if it has any
   * @throws TypeError or RangeError for what is not so, and for an order that moves money, its amount being minus the sum
   *   of its postings, if it would make or lose some; TypeError when the attempt has ended
   */
  setAmount(amount: number, options?: FinalAmountOptions): void;
}

/**
 * The part of a compensation's context that does not depend on whether its step has finished.
 *
 * @typeParam Payload - the payload's type
 *
 * @category Steps
 */
export interface CompensationContextBase<Payload = unknown> extends AttemptContext<Payload> {
  /**
   * Aborts when this attempt's time is over, or when the processor has shut down and waits no longer. A compensation is
   * not canceled.
   */
  readonly signal: AbortSignal;
  /** Why the order failed or was canceled. */
  readonly error: OrderError;
  /**
   * The same for every attempt at this compensation, and unlike any other key: pass it to a payment provider with the
   * refund itself. It is the `idempotencyKey` and `/compensate`.
   */
  readonly compensationKey: string;
}

/**
 * What a compensation gets beside its order. `isFinished` says whether the step has finished.
 *
 * @typeParam Payload - the payload's type
 * @typeParam Result - what the step's `run` gives
 *
 * @category Steps
 */
export type CompensationContext<
  Payload = unknown,
  Result = unknown,
> = CompensationContextBase<Payload> &
  (
    | {
        /** `run` has finished. */
        readonly isFinished: true;
        /** What `run` has returned. */
        readonly result: Result;
      }
    | {
        /**
         * `run` has begun and not finished, so it may have had its effect or not: it was aborted, its time was up, it
         * threw an error that does not say so, or its process ended. The `idempotencyKey` finds what it did.
         */
        readonly isFinished: false;
        /** Not known. */
        readonly result: undefined;
      }
  );
