import type { AcceptedOrder } from './order.ts';
import type { OrderRecord } from './outcome.ts';
import type { OrderCause, RememberedStep } from './step-result.ts';
import type { TraceContext } from './trace/trace-context.ts';

/**
 * An order that is handed to a storage, to be kept.
 *
 * @category For authors of storages
 */
export interface NewOrder extends AcceptedOrder {
  /** The payload as its caller handed it in: the same value as `payload` but where a schema changed it. */
  readonly content: unknown;
  /** The trace in which it was handed in; absent without one. */
  readonly traceContext?: TraceContext | undefined;
  /** When it was accepted, in Unix milliseconds. */
  readonly acceptedAt: number;
  /**
   * Whether the processor waits for the outcome; only of an order that is handed to `accept` of a storage that several
   * processors share.
   */
  readonly isAwaited?: boolean | undefined;
}

/**
 * The certain outcome of an order whose steps or compensations still run.
 *
 * @category For authors of storages
 */
export interface DecidedOutcome {
  /** Its outcome, once it is settled. */
  readonly outcome: 'failed' | 'canceled';
  /** See {@link OrderError.code}. */
  readonly code: string;
  /** The same for people. */
  readonly message: string;
  /** See {@link OrderError.retryable}. */
  readonly retryable: boolean;
  /** The cause of its error, if there is one. */
  readonly cause?: OrderCause | undefined;
  /** Whether the order is not settled then, but holds its user's lane until a release. */
  readonly holds?: boolean | undefined;
}

/**
 * An order as a storage has it. While it is unsettled, its `status` is `'pending'`.
 *
 * @category For authors of storages
 */
export interface StoredOrder extends OrderRecord {
  /** The payload as its caller handed it in. */
  readonly content: unknown;
  /** The trace in which it was handed in; absent without one. */
  readonly traceContext?: TraceContext | undefined;
  /**
   * 1 for an order that was accepted since the storage was opened, and 1 more for each opening since its acceptance:
   * above 1 some of its steps may have been run before.
   */
  readonly attempt: number;
  /**
   * What its steps have returned that are not run again, in the order in which they finished; see {@link
   * OrderStorage.remember}. Empty once it is settled.
   */
  readonly remembered: readonly RememberedStep[];
  /** The certain outcome of the order while it is unsettled; callers may have been notified of it. */
  readonly decided: DecidedOutcome | undefined;
  /**
   * Of an unsettled order that held its lane and is tried again: how often each of its steps was compensated before, by
   * name. Absent for any other.
   */
  readonly compensations?: Readonly<Record<string, number>> | undefined;
  /**
   * The order's place in the order of acceptance: a safe integer from 1 up, greater than the sequence of each order
   * that the storage kept before. It never changes, and no other order ever gets it. There may be gaps.
   */
  readonly sequence: number;
  /**
   * The place of its settlement in the order in which the settlements of all users were applied: a safe integer from
   * 1 up, greater than that of each settlement before it. `undefined` while the order is unsettled.
   */
  readonly settlement: number | undefined;
}

/** When things happened to an order, in Unix milliseconds. */
export interface Times {
  readonly acceptedAt: number;
  /** `undefined` if its processing never began. */
  readonly startedAt: number | undefined;
  readonly settledAt: number;
}

/** The fields of a settled order, without its outcome. */
export interface SettledFields extends AcceptedOrder {
  /** The payload as its caller handed it in. */
  readonly content: unknown;
  /** The trace in which it was handed in; absent without one. */
  readonly traceContext?: TraceContext | undefined;
  /** The cause of the order's error, where it is known already. */
  readonly cause?: OrderCause | undefined;
}

/** Why the storage may refuse a completed order's change. */
export type Refusal = 'insufficient_funds' | 'balance_overflow';
