import { type FinalPosting, noLabels } from '../../order/order.ts';
import { causeOfOrder } from '../../order/order-cause.ts';
import type { OrderError } from '../../order/order-error.ts';
import type { RetryLinks } from '../../order/retry/retry-links.ts';
import type { OrderCause, StepResult, StepValues } from '../../order/step-result.ts';
import { noResults, noSteps } from '../../order/step-result.ts';
import { hasTimes, type TimeFields, timeFields } from '../../order/times/order-times.ts';
import type { TraceContext } from '../../order/trace/trace-context.ts';
import { memoryOf } from '../../runtime/size-of.ts';

/** The fields of a settled order that take room in memory. */
export interface RememberedFields {
  readonly id: string;
  readonly userId: string;
  readonly payload: unknown;
  readonly content: unknown;
  readonly labels: readonly string[];
  readonly postings: readonly FinalPosting[];
  readonly notBefore?: number | undefined;
  readonly expiresAt?: number | undefined;
  readonly retryOf?: string | undefined;
  readonly traceContext?: TraceContext | undefined;
  readonly cause?: OrderCause | undefined;
  readonly steps: readonly StepResult[];
  readonly results: StepValues;
  readonly amount: number;
  readonly orderedAmount: number;
}

/** The fields that only some settled orders have, but for postings and traces. */
export interface Extra {
  readonly payload: unknown;
  readonly content: unknown;
  readonly steps: readonly StepResult[];
  readonly results: StepValues;
  /** Where another amount was settled. */
  readonly orderedAmount: number | undefined;
  readonly code: string | undefined;
  readonly message: string | undefined;
  readonly retryable: boolean | undefined;
  readonly cause: OrderCause | undefined;
  readonly labels: readonly string[];
  /** The times of an order that has any. */
  readonly times?: TimeFields | undefined;
  /** The orders that an order names. */
  readonly links?: RetryLinks | undefined;
  /** About how many bytes are kept for this order alone. */
  readonly bytes: number;
}

export const noExtra: Extra = {
  payload: undefined,
  content: undefined,
  steps: noSteps,
  results: noResults,
  orderedAmount: undefined,
  labels: noLabels,
  code: undefined,
  message: undefined,
  retryable: undefined,
  cause: undefined,
  times: undefined,
  links: undefined,
  bytes: 0,
};

/** Ids up to this length together, in characters, are not counted: the number of orders bounds their memory. */
const shortIds = 128;

/** @param most - bytes; the counting ends soon after that */
export function extraOfReceipt(order: RememberedFields, most: number): Extra {
  const { payload, content, labels, steps, results, amount } = order;
  const orderedAmount = order.orderedAmount === amount ? undefined : order.orderedAmount;
  const ofLabels = labels.length === 0 ? 0 : memoryOf(labels, most);
  const bytes = bytesOf(order, most) + ofLabels;
  // A literal: spreading others into it costs several times as much.
  return {
    payload,
    content,
    steps,
    results,
    orderedAmount,
    code: undefined,
    message: undefined,
    retryable: undefined,
    cause: undefined,
    labels,
    times: timesIn(order),
    links: linksIn(order),
    bytes,
  };
}

/** @param most - bytes; the counting ends soon after that */
export function extraOfError(order: RememberedFields, error: OrderError, most: number): Extra {
  const { payload, content, labels, steps, results } = order;
  const { code, message, retryable } = error;
  const cause = order.cause ?? causeOfOrder(error);
  const bytes = bytesOf(order, most) + memoryOf([message, cause, labels, steps], most);
  const times = timesIn(order);
  const links = linksIn(order);
  const fields = { payload, content, steps, results, labels, code, message, retryable };
  return { ...fields, orderedAmount: undefined, cause, times, links, bytes };
}

/** Whether a completed order has nothing of its own that takes room, but for postings, a trace and the results of its steps. */
export function isPlain(order: RememberedFields): boolean {
  const { id, userId, payload, content, labels, results, amount, orderedAmount } = order;
  if (payload !== undefined || content !== undefined || labels.length > 0) return false;
  if (results !== noResults || orderedAmount !== amount || hasTimes(order)) return false;
  if (order.retryOf !== undefined) return false;
  return id.length + userId.length <= shortIds;
}

function timesIn(order: TimeFields): TimeFields | undefined {
  return hasTimes(order) ? timeFields(order) : undefined;
}

function linksIn({ retryOf }: RememberedFields): RetryLinks | undefined {
  return retryOf === undefined ? undefined : { retryOf };
}

function bytesOf(
  { id, userId, payload, content, results }: RememberedFields,
  most: number,
): number {
  // One byte more, so that a value that is too large is recognized.
  const enough = most + 1;
  const ofContent = content === payload ? 0 : memoryOf(content, enough);
  const areLong = id.length + userId.length > shortIds;
  const ofIds = areLong ? memoryOf(id, enough) + memoryOf(userId, enough) : 0;
  const ofResults = results === noResults ? 0 : memoryOf(results, enough);
  return memoryOf(payload, enough) + ofContent + ofIds + ofResults;
}
