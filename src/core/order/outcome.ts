import type { AcceptedOrder, Posting } from './order.ts';
import type { OrderError } from './order-error.ts';
import type { OrderCause, StepProgress, StepResult, StepValues } from './step-result.ts';

/**
 * A credit to another user that an order brings, with what became of it.
 *
 * @category Outcomes
 */
export interface AppliedPosting extends Posting {
  /** What is added, in minor units: what was ordered, or what a step said once the order has completed. */
  readonly amount: number;
  /** What was ordered for it, in minor units. */
  readonly orderedAmount: number;
  /** The balance of its user right after it, in minor units; `undefined` unless the order has completed. */
  readonly balance: number | undefined;
}

/**
 * What a caller gets for a completed order.
 *
 * @typeParam Payload - the payload's type
 * @typeParam Results - what the steps return, by name
 *
 * @category Outcomes
 */
export interface Receipt<Payload = unknown, Results = StepValues> {
  /** Always `'completed'`; distinguishes a receipt from an {@link UnfulfilledOutcome}. */
  readonly status: 'completed';
  /** The order's id. */
  readonly orderId: string;
  /** Whose order it was. */
  readonly userId: string;
  /** What was added to the balance, in minor units: what was ordered, or what a step said; see {@link StepContext.setAmount}. */
  readonly amount: number;
  /** What was ordered, in minor units. */
  readonly orderedAmount: number;
  /** The user's balance right after this order, in minor units. */
  readonly balance: number;
  /** When the order was accepted, in Unix milliseconds. */
  readonly acceptedAt: number;
  /**
   * How long it waited for its turn, in whole milliseconds, at least 0. If an earlier process accepted the order, the
   * time between the two processes counts by the machine's clock.
   */
  readonly waitMs: number;
  /** How long it was processed and settled, in whole milliseconds. */
  readonly durationMs: number;
  /** The results of its steps, in declaration order. */
  readonly steps: readonly StepResult[];
  /** What its steps have returned, by name. A step that was skipped, or returned `undefined`, has none. */
  readonly results: Readonly<Results>;
  /** What rules said of it; see {@link prioritize}. */
  readonly labels: readonly string[];
  /** The credits to other users that were applied with it, each with the balance after it; empty without any. */
  readonly postings: readonly AppliedPosting[];
  /** The payload, as steps saw it. */
  readonly payload: Payload;
}

/**
 * What `submitMany`, `submitStream` and `outcome` say of an order that did not complete.
 *
 * @category Outcomes
 */
export interface UnfulfilledOutcome {
  /**
   * `'refused'`: it was never accepted; `outcome` never gives that. The others are an accepted order's
   * outcome.
   */
  readonly status: 'failed' | 'canceled' | 'refused';
  /** Why. */
  readonly error: OrderError;
}

/**
 * The end of one order, as `submitMany`, `submitStream` and `outcome` give it.
 *
 * @typeParam Payload - the payload's type
 * @typeParam Results - what the steps return, by name
 *
 * @category Outcomes
 */
export type OrderOutcome<Payload = unknown, Results = StepValues> =
  | Receipt<Payload, Results>
  | UnfulfilledOutcome;

/**
 * Where an accepted order is. The last three are outcomes, and final.
 *
 * @category Outcomes
 */
export type OrderStatus = 'pending' | 'processing' | 'completed' | 'failed' | 'canceled';

/**
 * All that is known of an accepted order.
 *
 * @typeParam Payload - the payload's type
 * @typeParam Results - what the steps return, by name
 *
 * @category Outcomes
 */
export interface OrderRecord<Payload = unknown, Results = StepValues>
  extends AcceptedOrder<Payload> {
  /** In minor units: what was added to the balance once it has completed, what was ordered before that or without it. */
  readonly amount: number;
  /** What was ordered, in minor units. */
  readonly orderedAmount: number;
  /** The credits to other users that are applied with it; their balances once it has completed. */
  readonly postings: readonly AppliedPosting[];
  /** Where the order is. */
  readonly status: OrderStatus;
  /** When it was accepted, in Unix milliseconds. */
  readonly acceptedAt: number;
  /**
   * When its processing began, in Unix milliseconds: `acceptedAt` plus the measured time since, so setting the
   * machine's clock does not matter; `undefined` if it has not.
   */
  readonly startedAt: number | undefined;
  /** When its outcome was recorded, in Unix milliseconds, found as `startedAt` is; `undefined` before. */
  readonly settledAt: number | undefined;
  /** The user's balance right after the order, in minor units; only of a completed one. */
  readonly balance: number | undefined;
  /** Why it failed or was canceled; see {@link OrderError.code}. */
  readonly code: string | undefined;
  /** The same for people. */
  readonly message: string | undefined;
  /** With a `code`: whether trying again may help; see {@link OrderError.retryable}. */
  readonly retryable: boolean | undefined;
  /** With a `code`: the error behind it, if there was one. For the operator, and not for callers. */
  readonly cause?: OrderCause | undefined;
  /** The results of its steps, in declaration order; empty before it is settled. */
  readonly steps: readonly StepResult[];
  /**
   * What its steps have returned that have finished, by name, even if the order did not complete; empty before it is
   * settled. As JSON has it, where the storage keeps JSON.
   */
  readonly results: Readonly<Partial<Results>>;
  /**
   * What one of its steps said last of how far it is, while the order is processed by this process; see
   * {@link StepContext.progress}.
   */
  readonly progress?: StepProgress | undefined;
  /** The id under which it came again, see {@link OrderProcessor.retry}; absent if it has not. */
  readonly retriedAs?: string | undefined;
}
