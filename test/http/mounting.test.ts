import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import express from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import { serve } from 'order-processor/http';
import { afterEach, describe, expect, it } from 'vitest';
import { appOf, order, problemIn } from './helpers.ts';

const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

function stop(server: Server): void {
  server.close();
  server.closeAllConnections();
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** As the guide has them. */
const options = { overrideGlobalObjects: false };

/** Each way of mounting the same app under a prefix, on a real socket. */
const hosts: [name: string, start: () => Promise<string>][] = [
  [
    'Hono',
    async () => {
      const outer = new Hono();
      outer.get('/own', (context) => context.text('mine'));
      const { app, processor } = appOf();
      outer.route('/api', app);
      const server = await serve(outer, { processor, port: 0, signals: [] });
      closing.push(async () => {
        await server.close();
        expect(processor.stats().state).toBe('closed');
      });
      return server.url;
    },
  ],
  [
    'Express 5',
    async () => {
      const outer = express();
      outer.get('/own', (_request, response) => void response.send('mine'));
      outer.use('/api', getRequestListener(appOf().app.fetch, options));
      const server = await new Promise<Server>((resolve) => {
        const listening = outer.listen(0, '127.0.0.1', () => resolve(listening));
      });
      closing.push(() => stop(server));
      return urlOf(server);
    },
  ],
  [
    'Fastify 5',
    async () => {
      const outer = fastify({ forceCloseConnections: true });
      outer.get('/own', async () => 'mine');
      const mounted = new Hono().route('/api', appOf().app);
      const listener = getRequestListener(mounted.fetch, options);
      await outer.register(async (inner) => {
        inner.removeAllContentTypeParsers();
        inner.addContentTypeParser('*', (_request, _body, done) => done(null));
        inner.all('/api/*', (request, reply) => {
          reply.hijack();
          void listener(request.raw, reply.raw);
        });
      });
      const url = await outer.listen({ port: 0, host: '127.0.0.1' });
      closing.push(() => outer.close());
      return url;
    },
  ],
];

describe.each(hosts)('mounted in %s', (_name, start) => {
  it('everything is where it says it is', async () => {
    const url = await start();
    expect(await (await fetch(`${url}/own`)).text()).toBe('mine');
    const headers = { 'content-type': 'application/json', prefer: 'wait=5' };
    const id = 'a/b ?#%41é';
    const body = JSON.stringify({ ...order, id });
    const posted = await fetch(`${url}/api/orders`, { method: 'POST', headers, body });
    expect(await posted.json()).toMatchObject({ orderId: id, balance: 1200 });
    const location = new URL(posted.headers.get('location') as string, posted.url);
    expect(location.href.startsWith(`${url}/api/orders/`)).toBe(true);
    expect(await (await fetch(location)).json()).toMatchObject({ id, status: 'completed' });
    expect((await fetch(location, { method: 'DELETE' })).status).toBe(409);
    const other = await fetch(`${url}/api/orders`, { method: 'PUT' });
    expect([other.status, other.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST']);
    expect((await fetch(`${url}/orders`)).status).toBe(404);
    for (const path of ['/api/nothing', '/api/orders/a/b']) {
      await problemIn(await fetch(`${url}${path}`), 404, 'not_found');
    }
  });

  it('a batch streams, and so do events', async () => {
    const url = await start();
    const events = await fetch(`${url}/api/events`);
    const body = `${JSON.stringify(order)}\n{\n${JSON.stringify({ ...order, id: 'o-2' })}\n`;
    const headers = { 'content-type': 'application/x-ndjson' };
    const response = await fetch(`${url}/api/orders/batch`, { method: 'POST', headers, body });
    const lines = (await response.text()).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).status)).toEqual([
      'completed',
      'refused',
      'completed',
    ]);
    const reader = (events.body as ReadableStream<Uint8Array>).getReader();
    let text = '';
    while (!text.includes('"orderId":"o-2"')) {
      text += new TextDecoder().decode((await reader.read()).value);
    }
    await reader.cancel();
    expect(text).toContain('event: refused');
  });

  it('a body too large is refused, one that is none too', async () => {
    const url = await start();
    const headers = { 'content-type': 'application/json' };
    const post = async (body: string): Promise<number> =>
      (await fetch(`${url}/api/orders`, { method: 'POST', headers, body })).status;
    expect(await post('{')).toBe(400);
    expect(await post(`"${'x'.repeat(1_048_576)}"`)).toBe(413);
  });
});

it('a host that is Hono keeps its other routes under the prefix, and its own word on unknown ones', async () => {
  const outer = new Hono().route('/', appOf().app);
  outer.get('/late', (context) => context.text('late'));
  outer.get('/gone', (context) => context.json({ own: true }, 404));
  outer.get('/lost', (context) => context.text('No such dish', 404));
  expect(await (await outer.request('/late')).text()).toBe('late');
  expect(await (await outer.request('/gone')).json()).toEqual({ own: true });
  expect(await (await outer.request('/lost')).text()).toBe('No such dish');
  await problemIn(await outer.request('/nothing'), 404, 'not_found');
  outer.notFound((context) => context.json({ own: true }, 404));
  expect(await (await outer.request('/nothing')).json()).toEqual({ own: true });
});

it('behind a body parser it says what is wrong, and does not hang', async () => {
  const { app, processor } = appOf();
  const outer = express();
  outer.use(express.json());
  outer.use(getRequestListener(app.fetch, options));
  const server = await new Promise<Server>((resolve) => {
    const listening = outer.listen(0, '127.0.0.1', () => resolve(listening));
  });
  closing.push(() => stop(server));
  const response = await fetch(`${urlOf(server)}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(order),
  });
  expect(response.status).toBeGreaterThanOrEqual(400);
  expect(processor.stats().accepted).toBe(0);
});
