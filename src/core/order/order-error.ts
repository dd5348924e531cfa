import { codeForm, show } from '../runtime/thrown.ts';
import { type StepResult, withoutCauses } from './step-result.ts';

/**
 * The codes that the library itself gives. Rules and steps give codes of their own, so
 * {@link OrderError.code} is a `string`; compare it with these. A step or a rule cannot give one of these: from a
 * step it is another processor's, and the order fails with `internal`.
 *
 * | code | the order was | because | retryable | HTTP |
 * | --- | --- | --- | --- | --- |
 * | `invalid_order` | refused | it is not well formed or its payload does not fit the `schema`; see `issues` | no | 400 |
 * | `order_conflict` | refused | the id was used before, for an order with other content | no | 409 |
 * | `rule_refused` | refused | a rule said so without a code of its own | no | 422 |
 * | a rule's own | refused | a rule said so | no | 422 |
 * | `queue_full` | refused | `capacity` or `capacityPerUser` is reached; see `retryAfterMs` | yes | 503 |
 * | `shut_down` | refused, or left in the storage | the processor is shutting down or has shut down; what the storage keeps goes on with the next start | yes | 503 |
 * | `insufficient_funds` | failed | the debit would take the balance below `minBalance` | no | 422 |
 * | `balance_overflow` | failed | the balance would leave the safe integers | no | 422 |
 * | `timeout` | failed | the steps, or an attempt at one, did not end within `timeoutMs` | yes | 422 |
 * | `canceled` | canceled, or refused before it was accepted | its `signal`, `cancel(id)` or the deadline of `shutdown`; or a `signal` ended the waiting for an `outcome` alone; `cause` has the signal's reason | yes | 408, or 409 if it was accepted |
 * | `expired` | canceled, or refused before it was accepted | it had not begun by its `expiresAt` | no | 409 |
 * | `history_forgotten` | (`balanceAt`, `movements`, `outcomes`, `retry`) | the storage has forgotten or pruned what was asked for | no | 410 |
 * | `storage_failed` | failed or refused | the storage threw, rejected or answered nonsense; `cause` has its error; an accepted order goes on when it works again | yes | 503 |
 * | a step's own | failed | a step threw an error with that `code` | yes, unless the error says no | 422, or 400 if not retryable |
 * | `internal` | failed or refused | a step, a rule or the schema threw something without a code, or with one of these codes; `cause` has it | no | 500, or 422 if it failed |
 * | `deadlock` | refused, or awaited no longer | a step that awaits the order would wait for itself: it is behind the step's own order, or behind one that awaits that | no | 500 |
 * | `not_held` | (no order) | `release` of a lane that is not held, or not by the order that was named | no | 409 |
 * | `not_failed` | (no order) | `retry` or `compensate` of an order that has not failed and was not canceled, is not settled, or is unknown | no | 409 |
 * | `compensation_failed` | (`error` event) | a step of an order that failed, and that may have had its effect, could not be compensated | | |
 *
 * @category Errors
 */
export type OrderErrorCode =
  | 'invalid_order'
  | 'order_conflict'
  | 'rule_refused'
  | 'queue_full'
  | 'shut_down'
  | 'insufficient_funds'
  | 'balance_overflow'
  | 'timeout'
  | 'canceled'
  | 'expired'
  | 'history_forgotten'
  | 'storage_failed'
  | 'deadlock'
  | 'not_held'
  | 'not_failed'
  | 'compensation_failed'
  | 'internal';

/**
 * One thing that is wrong with an order, as the `schema` has it for example.
 *
 * @category Errors
 */
export interface OrderIssue {
  /**
   * Where in the order, as `payload.items[0].quantity`: a JSONPath (RFC 9535) without its `$.`, so a name that is no plain
   * one stands in brackets and quotes, as `payload["a.b"]`, and a number in brackets is an index. Empty for all of it.
   */
  readonly path: string;
  /** What, for people. */
  readonly message: string;
}

/**
 * The facts an {@link OrderError} carries beside its code and message.
 *
 * @category Errors
 */
export interface OrderErrorFacts {
  /** The order's id, where it is known. */
  readonly orderId?: string | undefined;
  /** The order's user, where it is known. */
  readonly userId?: string | undefined;
  /** With `queue_full`: milliseconds after which trying again is worth it, an estimate from 1 up. */
  readonly retryAfterMs?: number | undefined;
  /** The results of the order's steps, in declaration order, where it had begun. */
  readonly steps?: readonly StepResult[] | undefined;
  /** What rules said of the order; see {@link prioritize}. None by default. */
  readonly labels?: readonly string[] | undefined;
  /** With `invalid_order`: what the `schema` has against the payload. None by default. */
  readonly issues?: readonly OrderIssue[] | undefined;
  /** What became of the order; see {@link OrderError.outcome}. `undefined` by default. */
  readonly outcome?: 'refused' | 'failed' | 'canceled' | undefined;
  /** Whether trying again may help; by default as {@link OrderErrorCode} has it, `true` for other codes. */
  readonly retryable?: boolean | undefined;
  /** How long the order waited for its turn, in whole milliseconds, where it had begun. */
  readonly waitMs?: number | undefined;
  /** How long it was processed, in whole milliseconds, where it had begun. */
  readonly durationMs?: number | undefined;
  /** What was thrown underneath, if anything. */
  readonly cause?: unknown;
}

// A registered symbol, so that the guard knows an error of another copy of the package.
const brand = Symbol.for('order-processor.OrderError');

/** The codes that only a processor gives, for its own orders. */
const ownCodes: ReadonlySet<string> = new Set([
  'invalid_order',
  'order_conflict',
  'rule_refused',
  'queue_full',
  'shut_down',
  'insufficient_funds',
  'balance_overflow',
  'timeout',
  'canceled',
  'expired',
  'history_forgotten',
  'storage_failed',
  'deadlock',
  'not_held',
  'not_failed',
  'compensation_failed',
  'internal',
] satisfies OrderErrorCode[]);

/** Whether a code is one of {@link OrderErrorCode}, which steps and rules cannot give. */
export function isOwnCode(code: string): boolean {
  return ownCodes.has(code);
}

/** Trying again changes nothing about these. */
const finalCodes: readonly string[] = [
  'invalid_order',
  'order_conflict',
  'rule_refused',
  'insufficient_funds',
  'balance_overflow',
  'expired',
  'history_forgotten',
  'deadlock',
  'not_held',
  'not_failed',
  'compensation_failed',
  'internal',
] satisfies OrderErrorCode[];

/**
 * Why an order was refused, failed or was canceled. The library rejects with no other error. A step may throw one to
 * fail its order with a code and a message of its own. Any other error with a lower-snake-case `code` gives the order
 * that code; its message stays in `cause`, for the operator.
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
 *
 * @category Errors
 */
export class OrderError extends Error {
  /** What builds this would call a class that names itself `_OrderError`. @internal */
  static override readonly name = 'OrderError';
  /** What happened, in lower snake case; stable: {@link OrderErrorCode} or a step's own. */
  readonly code: string;
  /**
   * What became of the order: it was refused, or its one outcome is `'failed'` or `'canceled'`.
   * `undefined` where the error says nothing of that: one that a step has made and no processor has taken
   * yet, one that ended a caller's waiting alone, and one of an order that is kept and goes on.
   */
  readonly outcome: 'refused' | 'failed' | 'canceled' | undefined;
  /** The order's id, where it is known. */
  readonly orderId: string | undefined;
  /** The order's user, where it is known. */
  readonly userId: string | undefined;
  /** With `queue_full`: milliseconds after which trying again is worth it, an estimate from 1 up. */
  readonly retryAfterMs: number | undefined;
  /**
   * The results of the order's steps, in declaration order; empty if its processing never began. Without the causes of
   * failed compensations, which only the record has.
   */
  readonly steps: readonly StepResult[];
  /** What rules said of the order. */
  readonly labels: readonly string[];
  /**
   * With `invalid_order`: what the `schema` has against the payload, the first 20 issues at most, each with at
   * most 200 characters of path and of message; else empty.
   */
  readonly issues: readonly OrderIssue[];
  /**
   * Whether the same order may succeed if it is tried again. An order that was refused may come again
   * as it is. One that failed or was canceled comes again by {@link OrderProcessor.retry}, under a new id, since its
   * outcome is remembered; but for `storage_failed`, which is not unless steps were compensated.
   */
  readonly retryable: boolean;
  /** How long the order waited for its turn, in whole milliseconds; `undefined` if its processing never began. */
  readonly waitMs: number | undefined;
  /**
   * How long it was processed and settled, in whole milliseconds; until the error came, where that was
   * before it was settled; `undefined` if its processing never began.
   */
  readonly durationMs: number | undefined;

  /**
   * @param code - lower snake case, up to 64 characters
   * @param message - for people
   * @param facts - whose order, and what lies underneath
   * @throws TypeError for a code that can't be one
   */
  constructor(code: OrderErrorCode | (string & {}), message: string, facts: OrderErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    if (typeof code !== 'string' || !codeForm.test(code)) {
      throw new TypeError(`Expected \`code\` to be lower snake case, got \`${show(code)}\``);
    }
    this.name = 'OrderError';
    this.code = code;
    this.outcome = facts.outcome;
    this.orderId = facts.orderId;
    this.userId = facts.userId;
    this.retryAfterMs = facts.retryAfterMs;
    this.steps = withoutCauses(facts.steps ?? []);
    this.labels = facts.labels ?? [];
    this.issues = facts.issues ?? [];
    this.retryable = facts.retryable ?? !finalCodes.includes(code);
    this.waitMs = facts.waitMs;
    this.durationMs = facts.durationMs;
    Object.defineProperty(this, brand, { value: true });
  }

  /**
   * The error that {@link OrderError.toJSON} was of. What copies objects to another thread or process, as
   * `structuredClone` and `postMessage` do, makes plain errors without a `code`: hand over `error.toJSON()`, and make
   * an error of it there.
   *
   * @param json - what `toJSON` has given, also after `JSON.stringify` and `JSON.parse` or `structuredClone`
   * @returns an error without the cause; its stack is the stack of this call
   * @throws TypeError for anything else
   */
  static from(json: unknown): OrderError {
    const { code, message, ...facts } = Object(json) as Partial<OrderErrorFacts> & {
      readonly code?: unknown;
      readonly message?: unknown;
    };
    const hasLists = [facts.issues, facts.labels, facts.steps].every(Array.isArray);
    if (typeof code === 'string' && typeof message === 'string' && hasLists) {
      return new OrderError(code, message, { ...facts, cause: undefined });
    }
    throw new TypeError(`Expected what \`toJSON\` of an OrderError gives, got \`${show(json)}\``);
  }

  /** For `JSON.stringify`: all but the cause, which is not for strangers. See {@link OrderError.from}. */
  toJSON(): Record<string, unknown> {
    const { code, message, outcome, orderId, userId, retryable, retryAfterMs } = this;
    const { waitMs, durationMs, issues, labels, steps } = this;
    const facts = { code, message, outcome, orderId, userId, retryable, retryAfterMs };
    return { ...facts, waitMs, durationMs, issues, labels, steps };
  }
}

/**
 * Sets the `outcome` of an error that has none. Not by an assignment, which would throw if a host's storage has frozen
 * the error.
 */
export function noteOutcome(error: OrderError, outcome: OrderError['outcome']): void {
  if (error.outcome === undefined) Reflect.set(error, 'outcome', outcome);
}

/**
 * Whether an error is its order's final outcome: the same id gets the same answer from now on. An order that failed
 * with `storage_failed` may come again, unless steps were compensated.
 */
export function isRemembered({ code, outcome, steps }: OrderError): boolean {
  if (outcome !== 'failed' && outcome !== 'canceled') return false;
  return code !== 'storage_failed' || steps.some(({ compensation }) => compensation !== undefined);
}

/** The errors of orders that were handed in again after they had failed or were canceled. */
export const repeatedErrors = new WeakSet<OrderError>();

/**
 * Whether a value is an {@link OrderError}, of this copy of the package or of another one.
 *
 * @param value - anything
 *
 * @category Errors
 */
export function isOrderError(value: unknown): value is OrderError {
  try {
    return value instanceof Error && (value as { [brand]?: unknown })[brand] === true;
  } catch {
    // A proxy may throw.
    return false;
  }
}
