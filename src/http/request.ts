import type * as z from 'zod';
import { badRequest } from '../face/http-error.ts';
import { check, orderInput } from './schemas.ts';

/** The parameters of a request's query, each at most once. */
export function query<T>({ url }: Request, schema: z.ZodType<T>): T {
  const at = url.indexOf('?');
  if (at === -1) return {} as T;
  const fields = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(url.slice(at))) {
    if (fields.has(name)) throw badRequest(`Expected one \`${name.slice(0, 60)}\` in the query`);
    fields.set(name, value);
  }
  return check(schema, Object.fromEntries(fields), 'bad_request');
}

/**
 * The header `Idempotency-Key`, a string in quotes or as it is.
 *
 * @see {@link https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/ | the draft}
 */
export function idempotencyKey({ headers }: Request): string | undefined {
  const text = headers.get('idempotency-key');
  if (text === null) return undefined;
  const [, quoted] = /^"((?:[^"\\]|\\["\\])*)"$/.exec(text) ?? [];
  const key = quoted === undefined ? text : quoted.replace(/\\(.)/g, '$1');
  const { success } = orderInput.shape.id.safeParse(key);
  if (!success) throw badRequest('Expected `Idempotency-Key` to be 1 to 256 characters');
  return key;
}

/**
 * For how long the client wants to wait: `Prefer: wait=N`, in seconds; 0 if it does not. What can't be
 * understood is ignored.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc7240#section-4.3 | RFC 7240}
 */
export function waitMs({ headers }: Request): number {
  const prefer = headers.get('prefer');
  if (prefer === null) return 0;
  const [, seconds = '0'] =
    /(?:^|[,;])\s*wait\s*=\s*"?(\d{1,6})"?\s*(?:$|[,;])/i.exec(prefer) ?? [];
  return Number(seconds) * 1_000;
}
