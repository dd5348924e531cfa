import { execFile, spawnSync } from 'node:child_process';
import { Agent, fetch as undiciFetch, request as undiciRequest } from 'undici';
import { expect, it } from 'vitest';
import { appOf, order, useServers } from './helpers.ts';

const start = useServers();
const hasCurl = spawnSync('curl', ['--version']).status === 0;
const json = { 'content-type': 'application/json' };

function curl(...given: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('curl', ['--silent', '--max-time', '10', ...given], (error, stdout) => {
      if (error === null) resolve(stdout);
      else reject(error);
    });
  });
}

async function served(): Promise<string> {
  const { app, processor } = appOf();
  return (await start(app, { processor })).url;
}

it('fetch', async () => {
  const url = await served();
  const headers = { ...json, prefer: 'wait=5', 'idempotency-key': '"k-1"' };
  const body = JSON.stringify({ userId: 'u-1', amount: 5 });
  const first = await fetch(`${url}/orders`, { method: 'POST', headers, body });
  expect([first.status, await first.json()]).toMatchObject([200, { orderId: 'k-1', balance: 5 }]);
  const again = await fetch(`${url}/orders`, { method: 'POST', headers, body });
  expect(await again.json()).toMatchObject({ orderId: 'k-1', balance: 5 });
  const lines = new Blob([JSON.stringify(order)]).stream();
  const batch = await fetch(`${url}/orders/batch`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: lines,
    duplex: 'half',
  } as RequestInit);
  expect(JSON.parse(await batch.text())).toMatchObject({ index: 0, balance: 1205 });
});

it('undici, with pipelining', async () => {
  const url = await served();
  const dispatcher = new Agent({ connections: 1, pipelining: 10 });
  const all = await Promise.all(
    Array.from({ length: 20 }, async (_, n) => {
      const { statusCode, body } = await undiciRequest(`${url}/orders`, {
        dispatcher,
        method: 'POST',
        headers: { ...json, prefer: 'wait=5' },
        body: JSON.stringify({ id: `o-${n}`, userId: `u-${n}`, amount: n }),
      });
      return [statusCode, await body.json()];
    }),
  );
  expect(all).toMatchObject(
    Array.from({ length: 20 }, (_, n) => [200, { orderId: `o-${n}`, balance: n }]),
  );
  const response = await undiciFetch(`${url}/users/u-7/balance`, { dispatcher });
  expect(await response.json()).toEqual({ userId: 'u-7', balance: 7 });
  await dispatcher.close();
});

it.skipIf(!hasCurl)('curl', async () => {
  const url = await served();
  const data = JSON.stringify(order);
  const type = 'content-type: application/json';
  const posted = await curl('-i', '-H', type, '-H', 'prefer: wait=5', '-d', data, `${url}/orders`);
  expect(posted).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(posted).toMatch(/\r\nlocation: orders\/o-1\r\n/i);
  expect(JSON.parse(posted.split('\r\n\r\n')[1] as string)).toMatchObject({ balance: 1200 });
  const form = JSON.parse(await curl('-d', data, `${url}/orders`));
  expect(form).toMatchObject({ status: 415, code: 'unsupported_media_type' });
  const batch = ['-H', 'content-type: application/x-ndjson', '--data-binary', `${data}\n${data}\n`];
  const lines = (await curl('-H', 'transfer-encoding: chunked', ...batch, `${url}/orders/batch`))
    .trim()
    .split('\n');
  expect(lines.map((line) => JSON.parse(line).index)).toEqual([0, 1]);
  const head = await curl('--head', `${url}/health`);
  expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  const deleted = await curl('-X', 'DELETE', `${url}/orders/o-1`);
  expect(JSON.parse(deleted)).toMatchObject({ status: 409, code: 'order_settled' });
  expect(await curl('--path-as-is', `${url}/users/../stats`)).toContain('"completed":1');
});
