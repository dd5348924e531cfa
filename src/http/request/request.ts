import type * as z from 'zod';
import { badRequest, notFound } from '../../server/http-error.ts';
import * as schemas from '../openapi/input-schemas.ts';

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
 * Refuses a URL whose escapes are no UTF-8: a lossy decoding would make one name of several.
 *
 * @throws HttpError `not_found` if they are in the path, `bad_request` if in the query
 */
export function checkUrl({ url }: Request): void {
  if (!url.includes('%')) return;
  const [path = '', ...query] = url.split('?');
  if (!isUtf8(path)) throw notFound('There is nothing of that name');
  if (!isUtf8(query.join('?'))) throw badRequest('Expected a query whose escapes (`%`) are UTF-8');
}

function isUtf8(escaped: string): boolean {
  try {
    decodeURIComponent(escaped);
    return true;
  } catch {
    return false;
  }
}

/**
 * The header `Idempotency-Key`: a string in quotes or as it is, once and without parameters. A header that was sent
 * twice comes as a list, and is refused.
 *
 * @throws HttpError `bad_request`
 * @see {@link https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/ | the draft}
 */
export function idempotencyKey({ headers }: Request): string | undefined {
  const text = headers.get('idempotency-key');
  if (text === null) return undefined;
  const { success, data } = schemas.idempotencyKey.safeParse(text);
  if (!success) {
    throw badRequest(
      'Expected one `Idempotency-Key` of 1 to 256 characters of ASCII, in double quotes if it has `"`, `,` or `;`',
    );
  }
  return data;
}

/**
 * How long the client wants to wait, in milliseconds (`Prefer: wait=N` has seconds); 0 if it does not.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc7240#section-4.3 | RFC 7240}
 */
export function waitMs({ headers }: Request): number {
  const prefer = headers.get('prefer');
  return prefer === null ? 0 : schemas.preferredWait.parse(prefer);
}
