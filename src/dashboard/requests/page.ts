import { HttpError, notFound } from '../../server/http-error.ts';
import { secure } from '../../server/listening/secure-headers.ts';
import { type Asset, readAssets } from '../assets.ts';

/** The page loads its own script, style and icon, and asks its own API; nothing else. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

const headers = {
  ...secure,
  'content-security-policy': policy,
  'cross-origin-opener-policy': 'same-origin',
};

/** Whether a browser asks for a page by this request; a program and the page's own script do not. */
export function wantsPage({ method, headers }: Request): boolean {
  const isRead = method === 'GET' || method === 'HEAD';
  return isRead && headers.get('accept')?.includes('text/html') === true;
}

/**
 * The page or one of its files, by the end of the path. A path without a slash at its end is redirected to the one with
 * it, since the page's links are relative.
 *
 * @throws HttpError `not_found`, `method_not_allowed`
 */
export function pageAnswer(request: Request): Response {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    const allow = { headers: { allow: 'GET, HEAD' } };
    throw new HttpError(405, 'method_not_allowed', 'Use another method', allow);
  }
  const { pathname, search } = new URL(request.url);
  const file = /\/(assets\/[^/]+)$/.exec(pathname)?.[1];
  if (file !== undefined) return assetAnswer(request, file);
  if (pathname.endsWith('/')) return assetAnswer(request, '');
  const last = pathname.slice(pathname.lastIndexOf('/') + 1);
  // Relative to what the browser asked for, which a proxy may have changed.
  const location = `./${last}/${search}`;
  return new Response(null, { status: 302, headers: { ...headers, location } });
}

function assetAnswer(request: Request, path: string): Response {
  const asset = readAssets().get(path);
  if (asset === undefined) throw notFound('There is no such file');
  const cache = asset.isImmutable ? 'private, max-age=31536000, immutable' : 'no-cache';
  const own = { ...headers, 'cache-control': cache, etag: asset.etag };
  if (request.headers.get('if-none-match') === asset.etag) {
    return new Response(null, { status: 304, headers: own });
  }
  return bodyAnswer(request, asset, own);
}

function bodyAnswer(
  request: Request,
  asset: Asset,
  own: Readonly<Record<string, string>>,
): Response {
  const accepts = request.headers.get('accept-encoding') ?? '';
  const isGzipped = /(^|[\s,])gzip($|[\s,;](?!\s*q=0(\.0+)?($|\s|,)))/i.test(accepts);
  const body = isGzipped ? asset.gzipped : asset.body;
  return new Response(request.method === 'HEAD' ? null : body, {
    headers: {
      ...own,
      'content-type': asset.type,
      'content-length': String(body.byteLength),
      vary: 'accept-encoding',
      ...(isGzipped && { 'content-encoding': 'gzip' }),
    },
  });
}
