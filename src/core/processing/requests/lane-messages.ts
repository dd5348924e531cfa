import { isOrderError, OrderError, type OrderErrorFacts } from '../../order/order-error.ts';
import type { Hold, ReleasedLane, StoredHold } from '../../storage/holds/hold.ts';
import type { ReleaseAction } from '../holds/release-options.ts';

/** What a processor asks of the owner of a user's lane. */
export type LaneRequest =
  | { readonly kind: 'hold'; readonly reason?: string | undefined }
  | {
      readonly kind: 'release';
      readonly action?: ReleaseAction | undefined;
      readonly orderId?: string | undefined;
      /** The hold when it was asked for: a later hold is not released. */
      readonly held: StoredHold;
    }
  /** A failed order that holds the lane is to be canceled. */
  | {
      readonly kind: 'cancel';
      readonly orderId: string;
      /** The hold when it was asked for: an order that was tried again since is not canceled. */
      readonly held: StoredHold;
    }
  /** The failed compensations of a settled order are to be tried again. */
  | { readonly kind: 'compensate'; readonly orderId: string };

/** What a request answers: of a cancellation, whether it canceled the order. */
export type LaneValue = Hold | ReleasedLane | boolean | null;

/** What came of a request. */
export type LaneAnswer = { readonly value: LaneValue } | { readonly error: AnsweredError };

/** An error as it goes to another processor: without its stack and its cause. */
interface AnsweredError {
  readonly type: 'OrderError' | 'TypeError' | 'RangeError';
  readonly message: string;
  readonly code?: string | undefined;
  readonly facts?: OrderErrorFacts | undefined;
}

/** A hold without what JSON and other processors do not need. */
export function heldOf({ userId, reason, heldAt, orderId, code, message, ...rest }: StoredHold) {
  const { compensated, failure } = rest;
  const { startedAt, cause } = failure ?? {};
  const kept = failure && { startedAt, cause, retryable: false, steps: [], results: {} };
  return { userId, reason, heldAt, orderId, code, message, compensated, failure: kept };
}

export function answerOf(error: unknown): LaneAnswer {
  const { message } = error as Error;
  if (error instanceof TypeError) return { error: { type: 'TypeError', message } };
  if (error instanceof RangeError) return { error: { type: 'RangeError', message } };
  if (!isOrderError(error)) return { error: { type: 'OrderError', message } };
  const { code, userId, orderId, retryable } = error;
  return { error: { type: 'OrderError', message, code, facts: { userId, orderId, retryable } } };
}

/** What an answer says; throws the error that it has. */
export function valueIn(answer: string): LaneValue {
  const parsed = JSON.parse(answer) as LaneAnswer;
  if ('value' in parsed) return parsed.value;
  const { type, message, code = 'internal', facts } = parsed.error;
  if (type === 'TypeError') throw new TypeError(message);
  if (type === 'RangeError') throw new RangeError(message);
  throw new OrderError(code, message, facts);
}
