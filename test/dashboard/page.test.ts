/** The page and its files, at any path. */
import { expect, it } from 'vitest';
import { callsOf, dashboardOf, problemIn } from './helpers.ts';

it('is found at any path, with a slash at its end, and loads nothing from elsewhere', async () => {
  const { dashboard } = dashboardOf();
  for (const base of ['http://ops.test/', 'https://ops.test/a/api/b/assets/dash/']) {
    const { request } = callsOf(dashboard.fetch, base);
    const page = await request('');
    const html = await page.text();
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(html).not.toMatch(/<script(?![^>]* src=)|<style|style=|https?:|\son\w+=/);
    const policy = page.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    expect(page.headers.get('x-content-type-options')).toBe('nosniff');
    expect(page.headers.get('cache-control')).toBe('no-cache');
    const files = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path = '']) => path);
    expect(files.length).toBeGreaterThanOrEqual(3);
    for (const path of files) {
      const file = await request(path);
      expect(file.status, path).toBe(200);
      expect(file.headers.get('cache-control')).toContain('immutable');
      const etag = file.headers.get('etag') as string;
      expect((await request(path, { headers: { 'if-none-match': etag } })).status).toBe(304);
    }
  }
});

it('a path without a slash is redirected to the one with it, relative to what the browser asked for', async () => {
  const { dashboard } = dashboardOf();
  const response = await dashboard.fetch(new Request('http://inner/ops/dash?x=1'));
  expect([response.status, response.headers.get('location')]).toEqual([302, './dash/?x=1']);
});

it('is compressed for who takes that, and has no body for HEAD', async () => {
  const { request } = dashboardOf();
  const zipped = await request('', { headers: { 'accept-encoding': 'br, gzip;q=0.5' } });
  expect(zipped.headers.get('content-encoding')).toBe('gzip');
  for (const accept of ['', 'br', 'gzip;q=0', 'xgzip']) {
    const plain = await request('', { headers: { 'accept-encoding': accept } });
    expect(plain.headers.get('content-encoding'), accept).toBeNull();
    expect(await plain.text()).toContain('<!doctype html>');
  }
  const head = await request('', { method: 'HEAD' });
  expect([head.status, await head.text()]).toEqual([200, '']);
});

it('what is not there is a problem', async () => {
  const { request, post, get } = dashboardOf();
  await problemIn(await request('assets/other.js'), 404, 'not_found');
  await problemIn(await get('nothing'), 404, 'not_found');
  await problemIn(await get('constructor'), 404, 'not_found');
  await problemIn(await request('', { method: 'POST' }), 405, 'method_not_allowed');
  await problemIn(await post('session', {}), 405, 'method_not_allowed');
  await problemIn(await get('act'), 405, 'method_not_allowed');
});
