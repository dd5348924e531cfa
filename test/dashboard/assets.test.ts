/** The files of the dashboard's page, as they are served. */
import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { readAssets } from '../../src/dashboard/assets.ts';

const assets = readAssets();
const textOf = (path: string): string => Buffer.from(assets.get(path)?.body ?? []).toString();

it('the page loads its own files alone, by relative paths, and has nothing inline', () => {
  const html = textOf('');
  const loaded = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, path = '']) => path);
  expect([...assets.keys()].sort()).toEqual(['', ...loaded].sort());
  expect(html).not.toMatch(/<style|style=|\son\w+=|<script(?![^>]*src=)/);
  for (const path of assets.keys()) {
    const body = textOf(path);
    expect(body.length, path).toBeGreaterThan(100);
    // Names of namespaces and of licences are no addresses to load from.
    const addresses = body.match(/(?:https?:)?\/\/[a-z][\w.-]+\.[a-z]{2,}/g) ?? [];
    expect(
      addresses.filter((address) => !address.includes('www.w3.org')),
      path,
    ).toEqual([]);
  }
});

it('a file whose content changes has another path, and is the same when it was compressed', () => {
  for (const { path, body, gzipped, etag, isImmutable } of assets.values()) {
    expect(gunzipSync(gzipped).equals(body)).toBe(true);
    const digest = etag.slice(1, -1);
    expect(isImmutable).toBe(path !== '');
    if (isImmutable) expect(path).toContain(`.${digest}.`);
  }
});
