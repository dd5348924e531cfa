import type { FinalPosting } from './order.ts';
import type { OrderError } from './order-error.ts';
import type { StepResult, StepValues } from './step-result.ts';
import { noResults, noSteps } from './step-result.ts';

/** What is settled of an order, where a step has said so. */
export interface FinalMoney {
  readonly amount: number;
  readonly postings: readonly FinalPosting[];
}

/** How an order's steps ended; with an error the order has failed or was canceled. */
export interface Decision {
  readonly outcome: 'completed' | 'failed' | 'canceled';
  readonly error: OrderError | undefined;
  readonly steps: readonly StepResult[];
  /** What the steps have returned that have finished, by name. */
  readonly results: StepValues;
  /** Of a completed order: what is settled, where that is not what was ordered. */
  readonly final?: FinalMoney | undefined;
  /** If the storage refuses the amount, the order has not failed yet: its steps are compensated first. */
  readonly isCompensable: boolean;
  /** The storage is only asked whether it takes the amount, before the steps are run. */
  readonly isTrial?: boolean;
  /** The order has failed before and holds its lane: its hold ends with the settlement. */
  readonly endsHold?: boolean | undefined;
}

/**
 * All steps have finished.
 *
 * @param final - what is settled, where that is not what was ordered
 */
export function completed(
  steps: readonly StepResult[],
  results: StepValues,
  isCompensable: boolean,
  final?: FinalMoney,
): Decision {
  return { outcome: 'completed', error: undefined, steps, results, isCompensable, final };
}

/** Why a step, and with it the order, failed. */
export interface Verdict {
  readonly code: string;
  readonly message: string;
  readonly cause?: unknown;
  readonly retryable?: boolean | undefined;
  /** The outcome of which callers were notified before a restart; by default the order has failed. */
  readonly outcome?: 'failed' | 'canceled';
  /** A time limit of the order or of an attempt has passed. A step's own `timeout` error does not set this. */
  readonly isTimeUp?: boolean;
  /** The order is not settled, but holds its user's lane until a release. */
  readonly holds?: boolean | undefined;
  /** Preliminary: the storage decides. */
  readonly isForStorage?: boolean;
}

/** The decision of an order without steps. */
export const nothingToDo: Decision = Object.freeze({
  outcome: 'completed',
  error: undefined,
  steps: noSteps,
  results: noResults,
  isCompensable: false,
});
