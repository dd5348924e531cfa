import type { OrderIssue } from '../core/order/order-error.ts';
import { wrong } from '../core/runtime/checks.ts';
import { wentWrong } from '../core/runtime/thrown.ts';

/**
 * Why a request is not served, where it is not one order's error. The codes of the library's own:
 *
 * | code | status | when |
 * | --- | --- | --- |
 * | `bad_request` | 400 | a body that is not one JSON value, a query or a header that cannot be understood |
 * | `unauthorized` | 401 | `authenticate` does not know the client |
 * | `forbidden` | 403 | for a user, or a route, that is not this client's |
 * | `not_found` | 404 | no such route, order or user |
 * | `method_not_allowed` | 405 | see the header `Allow` |
 * | `request_timeout` | 408 | the body did not come within `readTimeoutMs` |
 * | `order_settled` | 409 | an order with another outcome cannot be canceled |
 * | `content_too_large` | 413 | the body, or a line of a batch, is beyond `bodyLimitBytes` |
 * | `unsupported_media_type` | 415 | the content type, or the content encoding, is another one |
 * | `headers_too_large` | 431 | the headers are longer than Node takes |
 * | `internal` | 500 | something threw; only `onError` gets it |
 * | `too_many_readers` | 429 | the client has `events.readersPerClient` readers already |
 * | `too_many_readers` | 503 | `events.readers`, or `events.operatorReaders`, are reading already |
 */
export type HttpErrorCode =
  | 'bad_request'
  | 'unauthorized'
  | 'forbidden'
  | 'not_found'
  | 'method_not_allowed'
  | 'request_timeout'
  | 'order_settled'
  | 'content_too_large'
  | 'unsupported_media_type'
  | 'headers_too_large'
  | 'internal'
  | 'too_many_readers';

/** What an {@link HttpError} carries beside its status, code and message. */
export interface HttpErrorFacts {
  /** Headers of the answer. None by default. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** What is wrong, each with its place. None by default. */
  readonly issues?: readonly OrderIssue[] | undefined;
  /** The error behind this one; never sent. */
  readonly cause?: unknown;
}

/**
 * Why a request is not served. Thrown in `authenticate`, or in a route of a host's own that answers with `problem` of
 * `order-processor/http`, it is what the client gets.
 */
export class HttpError extends Error {
  /** The status of the answer, from 400 to 599. */
  readonly status: number;
  /** What happened, in lower snake case; stable: {@link HttpErrorCode} or a host's own. */
  readonly code: string;
  /** Headers of the answer. */
  readonly headers: Readonly<Record<string, string>>;
  /** What is wrong, each with its place; else empty. */
  readonly issues: readonly OrderIssue[];

  /**
   * @param status - from 400 to 599
   * @param code - in lower snake case
   * @param message - for people; the client sees it
   * @param facts - headers, issues, and the cause
   * @throws RangeError for a status that is no error
   */
  constructor(
    status: number,
    code: HttpErrorCode | (string & {}),
    message: string,
    facts: HttpErrorFacts = {},
  ) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    if (!isErrorStatus(status)) throw wrong(RangeError, 'status', statusForm, status);
    this.name = 'HttpError';
    this.status = status;
    this.code = code;
    this.headers = facts.headers ?? {};
    this.issues = facts.issues ?? [];
  }
}

export const statusForm = 'an integer from 400 to 599';

export function isErrorStatus(status: unknown): boolean {
  return Number.isInteger(status) && (status as number) >= 400 && (status as number) <= 599;
}

export function badRequest(message: string): HttpError {
  return new HttpError(400, 'bad_request', message);
}

export function forbidden(message: string): HttpError {
  return new HttpError(403, 'forbidden', message);
}

export function notFound(what: string): HttpError {
  return new HttpError(404, 'not_found', what);
}

/** The client does not see what was thrown. */
export function unexpected(cause: unknown): HttpError {
  return new HttpError(500, 'internal', wentWrong, { cause });
}
