import { Hono } from 'hono';
import { OrderProcessor } from 'order-processor';
import { createOrderApp, refuseOtherMethods } from 'order-processor/http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { range } from '../kit/helpers.ts';
import { appOf, problemIn } from './helpers.ts';

const routes: [path: string, allow: string][] = [
  ['/orders', 'GET, HEAD, POST'],
  ['/orders/o-1', 'DELETE, GET, HEAD'],
  ['/users/u-1/balance', 'GET, HEAD'],
  ['/users/u-1/movements', 'GET, HEAD'],
  ['/users/u-1/hold', 'DELETE, POST'],
  ['/outcomes', 'GET, HEAD'],
  ['/holds', 'GET, HEAD'],
  ['/stats', 'GET, HEAD'],
  ['/metrics', 'GET, HEAD'],
  ['/events', 'GET, HEAD'],
  ['/health', 'GET, HEAD'],
  ['/livez', 'GET, HEAD'],
  ['/readyz', 'GET, HEAD'],
  ['/openapi.json', 'GET, HEAD'],
];

describe.each(routes)('%s', (path, allow) => {
  it('answers other methods with 405 and Allow', async () => {
    const { app } = appOf();
    for (const method of ['PUT', 'PATCH', 'PROPFIND', 'POST', 'DELETE']) {
      if (allow.includes(method)) continue;
      const response = await app.request(path, { method });
      expect([method, response.headers.get('allow')]).toEqual([method, allow]);
      await problemIn(response, 405, 'method_not_allowed');
    }
  });

  it('answers OPTIONS with Allow', async () => {
    const { app } = appOf();
    const response = await app.request(path, { method: 'OPTIONS' });
    expect([response.status, response.headers.get('allow')]).toEqual([204, allow]);
    expect(await response.text()).toBe('');
  });
});

it('POST is what there is for a batch', async () => {
  const { app } = appOf();
  const response = await app.request('/orders/batch', { method: 'PUT' });
  expect(response.headers.get('allow')).toContain('POST');
  await problemIn(response, 405, 'method_not_allowed');
});

it('HEAD is GET without a body', async () => {
  const { app } = appOf();
  for (const path of ['/health', '/stats', '/orders', '/holds', '/openapi.json', '/orders/none']) {
    const [head, get] = [await app.request(path, { method: 'HEAD' }), await app.request(path)];
    expect([path, head.status, await head.text()]).toEqual([path, get.status, '']);
    expect(head.headers.get('content-type')).toBe(get.headers.get('content-type'));
  }
});

it.each(['/', '/order', '/orders/', '/orders/a/b', '/users/u-1', '/users//balance', '/metric'])(
  '%s is not found, whatever the method',
  async (path) => {
    const { app } = appOf();
    for (const method of ['GET', 'POST', 'DELETE']) {
      await problemIn(await app.request(path, { method }), 404, 'not_found');
    }
  },
);

it('a host may say itself what other methods get', async () => {
  const app = new Hono();
  app.get('/own', (context) => context.text('mine'));
  app.all('/any', (context) => context.text(context.req.method));
  refuseOtherMethods(app, ({ headers }, request) =>
    Response.json({ no: request.method, ...headers }, { status: 405 }),
  );
  expect(await (await app.request('/own')).text()).toBe('mine');
  const other = await app.request('/own', { method: 'DELETE' });
  expect([other.status, await other.json()]).toEqual([405, { no: 'DELETE', allow: 'GET, HEAD' }]);
  expect(await (await app.request('/any', { method: 'DELETE' })).text()).toBe('DELETE');
});

it('asking for the head of the events takes no reader’s place', async () => {
  const { app } = appOf({}, { events: { readers: 1 } });
  const head = await app.request('/events', { method: 'HEAD' });
  expect(head.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  const events = await app.request('/events');
  expect(events.status).toBe(200);
  await events.body?.cancel();
});

let processor: OrderProcessor;
let app: ReturnType<typeof createOrderApp>;
let internal: unknown[];
beforeEach(() => {
  internal = [];
  processor = new OrderProcessor();
  app = createOrderApp(processor, {
    onError: (error) => internal.push(error),
    events: { readers: 2 },
  });
});
afterEach(() => processor.shutdown());

describe('HEAD of the events', () => {
  it('takes no place of a reader', async () => {
    for (const _ of range(5)) {
      const response = await app.request('/events', { method: 'HEAD' });
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toContain('text/event-stream');
    }
  });
});
