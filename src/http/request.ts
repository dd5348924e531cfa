import type * as z from 'zod';
import { badRequest } from '../face/http-error.ts';
import * as schemas from './schemas.ts';

/** The parameters of a request's query, each at most once. */
export function query<T>({ url }: Request, schema: z.ZodType<T>): T {
  const at = url.indexOf('?');
  if (at === -1) return {} as T;
  const fields = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(url.slice(at))) {
    if (fields.has(name)) throw badRequest(`Expected one \`${name.slice(0, 60)}\` in the query`);
    fields.set(name, value);
  }
  return schemas.check(schema, Object.fromEntries(fields), 'bad_request');
}

/**
 * The header `Idempotency-Key`, a string in quotes or as it is.
 *
 * @see {@link https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/ | the draft}
 */
export function idempotencyKey({ headers }: Request): string | undefined {
  const text = headers.get('idempotency-key');
  if (text === null) return undefined;
  const { success, data } = schemas.idempotencyKey.safeParse(text);
  if (!success) throw badRequest('Expected `Idempotency-Key` to be 1 to 256 characters');
  return data;
}

/**
 * For how long the client wants to wait: `Prefer: wait=N`, in seconds; 0 if it does not. What can't be
 * understood is ignored.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc7240#section-4.3 | RFC 7240}
 */
export function waitMs({ headers }: Request): number {
  const prefer = headers.get('prefer');
  return prefer === null ? 0 : schemas.preferredWait.parse(prefer);
}
