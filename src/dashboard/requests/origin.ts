import { forbidden } from '../../server/http-error.ts';

/**
 * Checks that an action comes from the dashboard's own page: a page of another origin may send a request with the
 * person's cookies. A client that is no browser says neither where it comes from nor sends such cookies.
 *
 * @param origins - other origins that are trusted
 * @throws HttpError `forbidden`
 */
export function checkOrigin(request: Request, origins: readonly string[]): void {
  const { headers } = request;
  const origin = headers.get('origin');
  if (origin !== null && origins.includes(origin)) return;
  // A browser sets it, and no page can change it; the host may be another one behind a proxy.
  const site = headers.get('sec-fetch-site');
  if (site === 'same-origin') return;
  if (site === null && (origin === null || isOwn(origin, request))) return;
  throw forbidden('An action must come from the page of the dashboard: see the option `origins`');
}

function isOwn(origin: string, { url, headers }: Request): boolean {
  const parsed = URL.parse(origin);
  if (parsed === null) return false;
  const { host } = new URL(url);
  // Behind a proxy that ends TLS the scheme differs.
  return parsed.host === host || parsed.host === headers.get('host');
}
