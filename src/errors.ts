import type { StepResult } from './outcome.ts';

/**
 * The codes that the library itself gives. A step may fail an order with a code of its own, so
 * {@link OrderError.code} is a `string`; compare it with these.
 *
 * | code | when |
 * | --- | --- |
 * | `invalid_order` | refused: the order is not well formed; the message says what was expected |
 * | `order_conflict` | refused: the id was used before, for an order with other content |
 * | `queue_full` | refused: `capacity` or `capacityPerUser` is reached; see `retryAfterMs` |
 * | `shut_down` | refused: the processor is shutting down or has shut down |
 * | `insufficient_funds` | failed: the debit would take the balance below `minBalance` |
 * | `balance_overflow` | failed: the balance would leave the safe integers |
 * | `timeout` | failed: the steps did not end within `timeoutMs` |
 * | `canceled` | canceled by its `signal`, by `cancel(id)` or by `shutdown`'s deadline |
 * | `storage_failed` | the storage threw, rejected or answered nonsense; `cause` has its error |
 * | `internal` | a step or a listener threw something without a code; `cause` has it |
 */
export type OrderErrorCode =
  | 'invalid_order'
  | 'order_conflict'
  | 'queue_full'
  | 'shut_down'
  | 'insufficient_funds'
  | 'balance_overflow'
  | 'timeout'
  | 'canceled'
  | 'storage_failed'
  | 'internal';

/** The facts an {@link OrderError} carries beside its code and message. */
export interface OrderErrorFacts {
  /** The order's id, where it is known. */
  readonly orderId?: string | undefined;
  /** The order's user, where it is known. */
  readonly userId?: string | undefined;
  /** With `queue_full`: milliseconds after which trying again is worth it, an estimate from 1 up. */
  readonly retryAfterMs?: number | undefined;
  /** The results of the order's steps, in declaration order, where it had begun. */
  readonly steps?: readonly StepResult[] | undefined;
  /** What was thrown underneath, if anything. */
  readonly cause?: unknown;
}

// A registered symbol, so that the guard knows an error of another copy of the package.
const brand = Symbol.for('order-processor.OrderError');

/**
 * Why an order was refused, failed or was canceled. Everything the library rejects with is one.
 *
 * @example
 * ```ts
 * import { isOrderError, OrderProcessor } from 'order-processor';
 *
 * await using processor = new OrderProcessor({ minBalance: 0 });
 * try {
 *   await processor.submit({ userId: 'u-1', amount: -500 });
 * } catch (error) {
 *   if (isOrderError(error)) console.log(error.code);
 *   // prints: insufficient_funds
 * }
 * ```
 */
export class OrderError extends Error {
  /** What happened, in lower snake case; stable: {@link OrderErrorCode} or a step's own. */
  readonly code: string;
  /** The order's id, where it is known. */
  readonly orderId: string | undefined;
  /** The order's user, where it is known. */
  readonly userId: string | undefined;
  /** With `queue_full`: milliseconds after which trying again is worth it, an estimate from 1 up. */
  readonly retryAfterMs: number | undefined;
  /** The results of the order's steps, in declaration order; empty if none began. */
  readonly steps: readonly StepResult[];

  /**
   * @param code - lower snake case
   * @param message - for people
   * @param facts - whose order, and what lies underneath
   */
  constructor(code: OrderErrorCode | (string & {}), message: string, facts: OrderErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = 'OrderError';
    this.code = code;
    this.orderId = facts.orderId;
    this.userId = facts.userId;
    this.retryAfterMs = facts.retryAfterMs;
    this.steps = facts.steps ?? [];
    Object.defineProperty(this, brand, { value: true });
  }

  /** For `JSON.stringify`: all but the cause, which is not for strangers. */
  toJSON(): Record<string, unknown> {
    const { code, message, orderId, userId, retryAfterMs, steps } = this;
    return { code, message, orderId, userId, retryAfterMs, steps };
  }
}

/**
 * Whether a value is an {@link OrderError}, of this copy of the package or of another one.
 *
 * @param value - anything
 */
export function isOrderError(value: unknown): value is OrderError {
  return value instanceof Error && (value as { [brand]?: unknown })[brand] === true;
}

const codeForm = /^[a-z][a-z0-9_]{0,63}$/;

/** The lower-snake-case `code` that something thrown carries, if it does; never throws itself. */
export function codeOf(thrown: unknown): string | undefined {
  try {
    const code = (thrown as { code?: unknown } | null | undefined)?.code;
    return typeof code === 'string' && codeForm.test(code) ? code : undefined;
  } catch {
    return undefined;
  }
}

/** The message of something thrown, or the fallback; never throws itself. */
export function messageOf(thrown: unknown, fallback: string): string {
  try {
    const message = (thrown as { message?: unknown } | null | undefined)?.message;
    return typeof message === 'string' && message !== '' ? message : fallback;
  } catch {
    return fallback;
  }
}

/** A value as an error message shows it: short, on one line, whatever it is. */
export function show(value: unknown): string {
  try {
    const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
    return text.length > 60 ? `${text.slice(0, 60)}…` : text;
  } catch {
    return typeof value;
  }
}
