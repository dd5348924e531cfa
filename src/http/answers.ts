import { STATUS_CODES } from 'node:http';
import { isOrderError, isRemembered, type OrderError } from '../core/order/order-error.ts';
import { HttpError, unexpected } from '../server/http-error.ts';
import { secure } from '../server/listening/secure-headers.ts';
import { traceIdOf } from '../server/trace-headers.ts';

const jsonHeaders = { ...secure, 'content-type': 'application/json' };

/** The status of an answer by the code of its error; see {@link defaultStatuses}. */
export type Statuses = Readonly<Record<string, number>>;

/**
 * The status of each `OrderErrorCode`. A code of a rule's own is 422. A code of a step's own, with which an order has
 * failed, is 422 too, or 400 if trying again cannot help (`retryable` is `false`). Any other `OrderError` with a code of
 * its own, as a route of a host's throws it, is 503, or 400 if trying again cannot help.
 *
 * An order that has failed or was canceled gets the same answer each time, so its status never invites a client to repeat
 * its request: it is 422 in place of 500, 503 and 504, and 409 in place of 408. `statuses` of an app counts as it is.
 */
export const defaultStatuses: Statuses = Object.freeze({
  invalid_order: 400,
  order_conflict: 409,
  rule_refused: 422,
  queue_full: 503,
  shut_down: 503,
  insufficient_funds: 422,
  balance_overflow: 422,
  timeout: 504,
  canceled: 408,
  expired: 409,
  history_forgotten: 410,
  storage_failed: 503,
  deadlock: 500,
  not_held: 409,
  not_failed: 409,
  internal: 500,
});

/** Any body, with the headers that every answer has. */
export function answer(
  body: string | ReadableStream | null,
  status: number,
  headers: Readonly<Record<string, string>>,
): Response {
  return new Response(body, { status, headers: { ...secure, ...headers } });
}

/** A value as JSON. */
export function json(
  value: unknown,
  status = 200,
  headers?: Readonly<Record<string, string>>,
): Response {
  return new Response(textOf(value), {
    status,
    headers: headers === undefined ? jsonHeaders : { ...jsonHeaders, ...headers },
  });
}

/** Replaces a payload or a result that is no JSON: a host's schema and its steps may return anything. */
export function textOf(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    return JSON.stringify(withPlainPayload(value));
  }
}

/** For a record, a receipt or a page. Not by a replacer: `toJSON` is called before it, and may throw. */
function withPlainPayload(value: unknown): unknown {
  const { orders, payload, results } = value as {
    orders?: readonly unknown[];
    payload?: unknown;
    results?: Readonly<Record<string, unknown>>;
  };
  if (orders !== undefined) return { ...(value as object), orders: orders.map(withPlainPayload) };
  const entries = Object.entries(results ?? {}).map(([step, result]) => [step, plain(result)]);
  const plainResults = results && Object.fromEntries(entries);
  return { ...(value as object), payload: plain(payload), results: plainResults };
}

function plain(payload: unknown): unknown {
  try {
    const text = JSON.stringify(payload);
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * Makes an answer of any error: RFC 9457 `application/problem+json` with the fields `code`, and, where there are
 * some, `outcome`, `orderId`, `userId`, `retryable`, `retryAfterMs`, `issues`, `labels`, `steps` and `traceId`. What is neither an
 * `HttpError` nor an `OrderError` is 500 `internal`, and the answer has nothing of it.
 *
 * @param error - what was thrown, of any type
 * @param statuses - in place of some of {@link defaultStatuses}, or for codes of a host's own
 * @param request - which is answered: the id of the trace in its header `traceparent` is the field `traceId`
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc9457 | RFC 9457}
 */
export function problem(
  error: unknown,
  statuses: Statuses = {},
  request?: Pick<Request, 'headers'>,
): Response {
  const traceId = request && traceIdOf(request.headers);
  if (isOrderError(error)) return orderProblem(error, statuses, traceId);
  const { code, message, headers, issues, ...rest } =
    error instanceof HttpError ? error : unexpected(error);
  const fields = { code, ...(issues.length > 0 && { issues }), traceId };
  const later = rest.status === 503 ? { 'retry-after': '1' } : {};
  return problemJson(rest.status, message, fields, { ...later, ...headers });
}

function orderProblem(
  error: OrderError,
  statuses: Statuses,
  traceId: string | undefined,
): Response {
  const { code, message, outcome, orderId, userId, retryable, retryAfterMs } = error;
  const status = statusOf(error, statuses);
  const headers: Record<string, string> = {};
  if (status === 503 && !isRemembered(error)) {
    headers['retry-after'] = String(Math.max(1, Math.ceil((retryAfterMs ?? 1_000) / 1_000)));
  }
  const facts = { code, outcome, orderId, userId, retryable, retryAfterMs };
  const fields = { ...facts, ...listsOf(error), traceId };
  return problemJson(status, message, fields, headers);
}

/** In place of statuses that invite to repeat a request, where the answer would always be the same. */
const rememberedStatuses: Readonly<Record<number, number>> = {
  408: 409,
  500: 422,
  503: 422,
  504: 422,
};

function statusOf(error: OrderError, statuses: Statuses): number {
  const { code } = error;
  if (Object.hasOwn(statuses, code)) return statuses[code] as number;
  const status = Object.hasOwn(defaultStatuses, code)
    ? (defaultStatuses[code] as number)
    : statusOfOwn(error);
  return isRemembered(error) ? (rememberedStatuses[status] ?? status) : status;
}

/** The status of a host's own code: a refusal is a rule's, anything else a step's. */
function statusOfOwn({ outcome, retryable }: OrderError): number {
  if (outcome === 'refused') return 422;
  return retryable ? 503 : 400;
}

function listsOf({ issues, labels, steps }: OrderError): Record<string, readonly unknown[]> {
  return Object.fromEntries(
    Object.entries({ issues, labels, steps }).filter(([, list]) => list.length > 0),
  );
}

function problemJson(
  status: number,
  detail: string,
  fields: object,
  headers: Readonly<Record<string, string>>,
): Response {
  const title = STATUS_CODES[status] ?? 'Error';
  const problem = { type: 'about:blank', title, status, detail, ...fields };
  const own = { 'content-type': 'application/problem+json', ...headers };
  try {
    return json(problem, status, own);
  } catch {
    // A host's own error may have lists that are no JSON, or too long for a string.
    const { code } = fields as { code: string };
    return json(
      { type: 'about:blank', title, status, detail: detail.slice(0, 300), code },
      status,
      own,
    );
  }
}
