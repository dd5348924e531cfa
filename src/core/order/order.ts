import type { TraceContext } from './trace/trace-context.ts';

/**
 * How urgent an order is. Without one it is `'medium'`.
 *
 * @category Orders
 */
export type Priority = 'high' | 'medium' | 'low';

/**
 * A credit to another user that an order brings: it is applied in the same transaction as the order's own amount.
 *
 * @category Orders
 */
export interface Posting {
  /** Whose balance grows: 1 to 256 characters (UTF-16 code units) of well-formed Unicode, and not the order's own user. */
  readonly userId: string;
  /** What is added, a safe integer in minor units (cents) from 1 up. */
  readonly amount: number;
}

/**
 * A posting as it is settled: with what was ordered, or less; see {@link StepContext.setAmount}.
 *
 * @category Orders
 */
export interface FinalPosting extends Posting {
  /** What is added, a safe integer in minor units from 0 up. */
  readonly amount: number;
  /** What was ordered for it, where that is more than `amount`; may be absent where it is as much. */
  readonly orderedAmount?: number | undefined;
}

/**
 * The fields of an order that do not depend on its payload.
 *
 * @category Orders
 */
export interface OrderFields {
  /**
   * The idempotency key: 1 to 256 characters (UTF-16 code units) of well-formed Unicode. The same id
   * with the same content is the same order; with other content it is refused with `order_conflict`.
   * Generated (a UUID version 7, so ids sort by time) when absent.
   */
  readonly id?: string | undefined;
  /**
   * Whose order this is: 1 to 256 characters (UTF-16 code units) of well-formed Unicode. Orders of
   * one user are processed one at a time.
   */
  readonly userId: string;
  /** A safe integer in minor units (cents), added to the balance; negative is a debit. */
  readonly amount: number;
  /** `'medium'` by default. Not part of the content that makes two orders with one id the same. */
  readonly priority?: Priority | undefined;
  /**
   * Credits to other users, at most 100, each to another user, together a safe integer. They are applied in one
   * transaction with `amount`, or not at all: a transfer, a fee, a split. The order runs in the lane of its own user
   * alone, and only its own user is debited. An order whose `amount` is minus the sum of its postings moves money
   * and makes none. None by default. In their order they are part of the content that makes two orders with one id
   * the same.
   */
  readonly postings?: readonly Posting[] | undefined;
  /**
   * When the order enters its lane, in Unix milliseconds: an integer from 0 up, at most a hundred years from now. It is
   * accepted now, and holds back no other order until then. Not part of the content. At once by default.
   */
  readonly notBefore?: number | undefined;
  /**
   * Until when the order may begin, in Unix milliseconds: an integer from 0 up, at most a hundred years from now. An
   * order that has not begun by then is canceled with `expired`; one that comes later is refused with it. What has begun
   * goes on. Later than `notBefore`. Not part of the content. No limit by default.
   */
  readonly expiresAt?: number | undefined;
  /**
   * The trace in which the order is handed in. It is kept with the order, for {@link OrderMessage.traceContext}. One that
   * is not valid is dropped. Not part of the content. None by default, or the one that a subscriber sets in a {@link SubmitMessage}.
   */
  readonly traceContext?: TraceContext | undefined;
}

/**
 * What a caller hands in. `payload` is the host's own data for steps and listeners; it is kept by
 * reference, so do not change it afterwards. Every other field is copied.
 *
 * @typeParam Payload - the payload's type; the field may be left out where it may be `undefined`
 *
 * @category Orders
 */
export type Order<Payload = unknown> = OrderFields &
  (undefined extends Payload
    ? {
        /** The host's own data for steps and listeners, kept by reference. */
        readonly payload?: Payload | undefined;
      }
    : {
        /** The host's own data for steps and listeners, kept by reference. */
        readonly payload: Payload;
      });

/**
 * An order as steps and listeners see it: complete, frozen.
 *
 * @typeParam Payload - the payload's type
 *
 * @category Orders
 */
export interface AcceptedOrder<Payload = unknown> {
  /** The caller's id, or the generated one. */
  readonly id: string;
  /** Whose order this is. */
  readonly userId: string;
  /** In minor units; negative is a debit. */
  readonly amount: number;
  /** How urgent it is. */
  readonly priority: Priority;
  /** The caller's payload, by reference, or what the `schema` made of it. */
  readonly payload: Payload;
  /** What rules said of it; see {@link prioritize}. */
  readonly labels: readonly string[];
  /** Credits to other users that are applied with the order's own amount; empty without any. */
  readonly postings: readonly Posting[];
  /** When it enters its lane, in Unix milliseconds; absent if that is at once. */
  readonly notBefore?: number | undefined;
  /** Until when it may begin, in Unix milliseconds; absent if it does not expire. */
  readonly expiresAt?: number | undefined;
  /**
   * The id of the order that came again as this one, see {@link OrderProcessor.retry}; absent for any other. Where the
   * storage has forgotten or pruned that order, another one may have the id: it was accepted after this one.
   */
  readonly retryOf?: string | undefined;
}

/** Shared by all orders without labels. */
export const noLabels: readonly string[] = Object.freeze([]);

/** Shared by all orders without postings. */
export const noPostings: readonly never[] = Object.freeze([]);

/** A priority's rank is its place here; lower is more urgent. */
export const ranks: readonly Priority[] = ['high', 'medium', 'low'];
