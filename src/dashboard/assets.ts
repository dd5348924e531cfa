import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { pageBundle } from './page-bundle.ts';

/** A file of the page. */
export interface Asset {
  /** Where the page expects it, relative to the dashboard: `''` for the page itself, then `assets/NAME.HASH.js`. */
  readonly path: string;
  /** The value of `content-type`. */
  readonly type: string;
  /** The file. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** The same as `content-encoding: gzip` has it. */
  readonly gzipped: Uint8Array<ArrayBuffer>;
  /** The value of `etag`. */
  readonly etag: string;
  /** Whether another content has another path, so that a browser may keep it for ever. */
  readonly isImmutable: boolean;
}

let assets: ReadonlyMap<string, Asset> | undefined;

/**
 * The files of the page by their path. Everything that the page loads is among them; the page and its links work
 * under any path that ends with a slash. Made at the first call, since most programs serve no dashboard.
 */
export function readAssets(): ReadonlyMap<string, Asset> {
  assets ??= new Map(makeAssets().map((asset) => [asset.path, asset]));
  return assets;
}

function makeAssets(): Asset[] {
  const script = hashed('page', 'js', 'text/javascript; charset=utf-8', pageBundle.script);
  const style = hashed('page', 'css', 'text/css; charset=utf-8', pageBundle.style);
  const icon = hashed('icon', 'svg', 'image/svg+xml', iconText);
  const html = asset('', 'text/html; charset=utf-8', pageText(script.path, style.path, icon.path));
  return [html, script, style, icon];
}

function hashed(name: string, extension: string, type: string, text: string): Asset {
  const path = `assets/${name}.${digestOf(text)}.${extension}`;
  return { ...asset(path, type, text), isImmutable: true };
}

function asset(path: string, type: string, text: string): Asset {
  const body = Buffer.from(text);
  const gzipped = gzipSync(body, { level: 9 });
  return { path, type, body, gzipped, etag: `"${digestOf(text)}"`, isImmutable: false };
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** A queue of three lanes, one of them held. */
const iconText = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#4453d6"/><g fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round"><path d="M8 10h16M8 16h8M8 22h12"/></g><circle cx="22.5" cy="16" r="2.5" fill="#ffc53d"/></svg>`;

/** Nothing is inline, as the Content-Security-Policy wants it. */
function pageText(script: string, style: string, icon: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<title>Orders</title>
<link rel="icon" href="${icon}" type="image/svg+xml">
<link rel="stylesheet" href="${style}">
<script type="module" src="${script}"></script>
</head>
<body>
<div id="app"></div>
<noscript>The dashboard needs JavaScript, which this browser does not run.</noscript>
</body>
</html>
`;
}
