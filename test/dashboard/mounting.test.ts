/** The dashboard in other servers, on real sockets, as the guide has it. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import express from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import { OrderProcessor } from 'order-processor';
import { createDashboard } from 'order-processor/dashboard';
import { createOrderApp, serve } from 'order-processor/http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { everyone, LiveReader } from './helpers.ts';

type Fetch = (request: Request) => Promise<Response>;
const options = { overrideGlobalObjects: false };

function urlOf(server: Server): string {
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Each gives the URL under which the dashboard is, with a slash at its end. */
const hosts: [name: string, start: (fetch: Fetch, processor: OrderProcessor) => Promise<string>][] =
  [
    [
      'serve',
      async (fetch, processor) => {
        const server = await serve({ fetch }, { processor, port: 0, signals: [] });
        onTestFinished(async () => void (await server.close()));
        return `${server.url}/`;
      },
    ],
    [
      'Hono, beside the HTTP face',
      async (fetch, processor) => {
        const outer = new Hono().route('/api', createOrderApp(processor));
        outer.all('/ops/dashboard/*', (context) => fetch(context.req.raw));
        const server = await serve(outer, { processor, port: 0, signals: [] });
        onTestFinished(async () => void (await server.close()));
        return `${server.url}/ops/dashboard/`;
      },
    ],
    [
      'Express 5',
      async (fetch) => {
        const listener = getRequestListener(fetch, options);
        const outer = express();
        outer.use('/ops/dashboard', (request, response) => {
          request.url = request.originalUrl;
          void listener(request, response);
        });
        const server = await new Promise<Server>((resolve) => {
          const listening = outer.listen(0, '127.0.0.1', () => resolve(listening));
        });
        return `${urlOf(server)}/ops/dashboard/`;
      },
    ],
    [
      'Fastify 5',
      async (fetch) => {
        const listener = getRequestListener(fetch, options);
        const outer = fastify({ forceCloseConnections: true });
        await outer.register(async (scope) => {
          scope.removeAllContentTypeParsers();
          scope.addContentTypeParser('*', (_request, _body, done) => done(null));
          for (const path of ['/ops/dashboard', '/ops/dashboard/*']) {
            scope.all(path, (request, reply) => {
              reply.hijack();
              void listener(request.raw, reply.raw);
            });
          }
        });
        const url = await outer.listen({ port: 0, host: '127.0.0.1' });
        onTestFinished(() => outer.close());
        return `${url}/ops/dashboard/`;
      },
    ],
  ];

describe.each(hosts)('in %s', (_name, start) => {
  it('the page, its files, its API, actions and streams are where the page looks for them', async () => {
    const processor = new OrderProcessor();
    const dashboard = createDashboard(processor, { authenticate: () => everyone });
    onTestFinished(async () => {
      dashboard.stop();
      await processor.shutdown();
    });
    const url = await start(dashboard.fetch, processor);
    // A browser that leaves the slash out is sent to the page.
    const page = await fetch(url.endsWith('/dashboard/') ? url.slice(0, -1) : url);
    expect(page.url).toBe(url);
    const [, script = ''] = /<script[^>]* src="([^"]+)"/.exec(await page.text()) ?? [];
    expect((await fetch(new URL(script, page.url))).status).toBe(200);
    const body = JSON.stringify({ action: 'hold', userIds: ['a/b ?é'], reason: 'fraud?' });
    const headers = { 'content-type': 'application/json', origin: new URL(url).origin };
    const acted = await fetch(new URL('api/act', url), { method: 'POST', headers, body });
    expect(await acted.json()).toMatchObject({ done: 1, failures: [] });
    const evil = { ...headers, origin: 'https://evil.example' };
    const refused = await fetch(new URL('api/act', url), { method: 'POST', headers: evil, body });
    expect(refused.status).toBe(403);
    const user = await fetch(new URL(`api/user?id=${encodeURIComponent('a/b ?é')}`, url));
    expect(await user.json()).toMatchObject({ userId: 'a/b ?é', hold: { reason: 'fraud?' } });
    const reader = new LiveReader(await fetch(new URL('api/live?topics=stats,events', url)));
    await reader.until('stats');
    await processor.submit({ id: 'o-1', userId: 'ann', amount: 1 });
    await reader.until('events');
    await reader.cancel();
  });
});
