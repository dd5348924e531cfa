/** The files of the dashboard's page, as they are served. */
import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { readAssets } from '../../src/dashboard/assets.ts';
import { callsOf, dashboardOf, problemIn } from './helpers.ts';

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

it('a browser is sent to the page under any prefix, and a program gets 404 for what is no route', async () => {
  const { dashboard, request } = dashboardOf();
  const headers = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
  for (const path of ['/ops', '/api/dashboard', '/api/orders/dashboard']) {
    const { request } = callsOf(dashboard.fetch, 'http://ops.test/');
    const sent = await request(path, { headers });
    expect(sent.status, path).toBe(302);
    const location = new URL(sent.headers.get('location') ?? '', `http://ops.test${path}`);
    expect(location.pathname).toBe(`${path}/`);
    const page = await request(`${path}/`, { headers });
    expect(page.headers.get('content-type'), path).toBe('text/html; charset=utf-8');
    // The page's own script and style are loaded as by a program.
    for (const asset of assets.keys()) {
      if (asset !== '') expect((await request(`${path}/${asset}`)).status).toBe(200);
    }
    expect((await request(`${path}/api/session`)).status).toBe(200);
  }
  for (const path of ['api/nothing', 'api/order/p1', 'api/order/', 'assets/none.js']) {
    await problemIn(await request(path), 404, 'not_found');
  }
});
