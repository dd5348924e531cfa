import { STATUS_CODES } from 'node:http';
import { isOrderError, type OrderError } from '../core/order/order-error.ts';
import { HttpError, unexpected } from '../server/http-error.ts';
import { secure } from '../server/listening/secure-headers.ts';
import type { Problem } from './api.ts';

/** A value as JSON. */
export function json(value: unknown, status = 200): Response {
  const headers = { ...secure, 'content-type': 'application/json' };
  return new Response(JSON.stringify(value), { status, headers });
}

const statuses: Readonly<Record<string, number>> = {
  invalid_order: 400,
  queue_full: 503,
  shut_down: 503,
  storage_failed: 503,
  history_forgotten: 410,
  deadlock: 500,
  internal: 500,
};

/** What a page is told of an error. */
export function problemOf(error: unknown, signInUrl: string | undefined): Problem {
  const { status, code, message } = isOrderError(error) ? httpOf(error) : ownOf(error);
  return {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    code,
    detail: message,
    ...(status === 401 && signInUrl !== undefined && { signInUrl }),
  };
}

/** @param signInUrl - for a person who is not authenticated */
export function problem(error: unknown, signInUrl: string | undefined): Response {
  const body = problemOf(error, signInUrl);
  const headers = new Headers({ ...secure, 'content-type': 'application/problem+json' });
  if (error instanceof HttpError) {
    for (const [name, value] of Object.entries(error.headers)) headers.set(name, value);
  }
  // A browser would open a dialog of its own for it, in place of the page's.
  if (/\bbasic\b/i.test(headers.get('www-authenticate') ?? '')) headers.delete('www-authenticate');
  return new Response(JSON.stringify(body), { status: body.status, headers });
}

function ownOf(error: unknown): Pick<HttpError, 'status' | 'code' | 'message'> {
  return error instanceof HttpError ? error : unexpected(error);
}

function httpOf({ code, message }: OrderError): Pick<HttpError, 'status' | 'code' | 'message'> {
  const status = Object.hasOwn(statuses, code) ? (statuses[code] as number) : 409;
  return { status, code, message };
}
