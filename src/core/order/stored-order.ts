import type { AcceptedOrder } from './order.ts';
import type { OrderCause, OrderRecord } from './outcome.ts';

/** An order that is handed to a storage, to be kept. */
export interface NewOrder extends AcceptedOrder {
  /** The payload as its caller handed it in: the same value as `payload` but where a schema changed it. */
  readonly content: unknown;
  /** When it was accepted, in Unix milliseconds. */
  readonly acceptedAt: number;
}

/** What is certain to become of an order of which something still runs. */
export interface DecidedOutcome {
  /** Its outcome, once it is settled. */
  readonly outcome: 'failed' | 'canceled';
  /** See {@link OrderError.code}. */
  readonly code: string;
  /** The same for people. */
  readonly message: string;
  /** See {@link OrderError.retryable}. */
  readonly retryable: boolean;
  /** The error behind that, if there was one. */
  readonly cause?: OrderCause | undefined;
}

/** An order as a storage has it. While it is unsettled, its `status` is `'pending'`. */
export interface StoredOrder extends OrderRecord {
  /** The payload as its caller handed it in. */
  readonly content: unknown;
  /**
   * 1 for an order that was accepted since the storage was opened, and one more for each time that it
   * was opened since: some of its steps may have been run before.
   */
  readonly attempt: number;
  /** What is certain to become of the order, though it is unsettled; callers may have been told. */
  readonly decided: DecidedOutcome | undefined;
  /**
   * The order's place in the order of acceptance: a safe integer from 1 up, greater than that of each
   * order which the storage kept before. It never changes, and no other order ever gets it. There may be
   * gaps.
   */
  readonly sequence: number;
}

/** When things happened to an order, in Unix milliseconds. */
export interface Times {
  readonly acceptedAt: number;
  /** `undefined` if its processing never began. */
  readonly startedAt: number | undefined;
  readonly settledAt: number;
}

/** What a settled order is, beside what became of it. */
export interface SettledFields extends AcceptedOrder {
  /** The payload as its caller handed it in. */
  readonly content: unknown;
  /** The error behind that of an order, where that is known already. */
  readonly cause?: OrderCause | undefined;
}

/** Why the storage may refuse a completed order's change. */
export type Refusal = 'insufficient_funds' | 'balance_overflow';
