import { describe, expect, it } from 'vitest';
import { appOf, order } from './helpers.ts';

const secure = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};
const metrics = { contentType: 'text/plain', metrics: async () => '' };
const origin = 'https://shop.example';

const requests: [name: string, path: string, init: RequestInit][] = [
  ['an order', '/orders', post(JSON.stringify(order))],
  ['a bad order', '/orders', post('{')],
  ['another type', '/orders', { method: 'POST', body: 'x' }],
  ['a batch', '/orders/batch', post('{}', 'application/x-ndjson')],
  ['a list', '/orders', {}],
  ['a bad query', '/orders?a=1', {}],
  ['no order', '/orders/none', {}],
  ['no user', '/users/none/balance', {}],
  ['statistics', '/stats', {}],
  ['health', '/health', {}],
  ['metrics', '/metrics', {}],
  ['events', '/events', {}],
  ['the document', '/openapi.json', {}],
  ['no route', '/none', {}],
  ['another method', '/orders', { method: 'PUT' }],
  ['options', '/orders', { method: 'OPTIONS' }],
  ['a head', '/orders', { method: 'HEAD' }],
  ['the head of events', '/events', { method: 'HEAD' }],
];

function post(body: string, type = 'application/json'): RequestInit {
  return { method: 'POST', headers: { 'content-type': type }, body };
}

describe.each([
  ['without CORS', {}],
  ['with CORS', { cors: { origin } }],
])('%s', (_name, options) => {
  it.each(requests)('%s has the security headers', async (_what, path, init) => {
    const { app } = appOf({}, { metrics, ...options });
    const response = await app.request(path, init);
    expect(Object.fromEntries(response.headers)).toMatchObject(secure);
    await response.body?.cancel();
  });
});

it('says no origin may read it, unless asked', async () => {
  const { app } = appOf({}, { metrics });
  for (const [, path, init] of requests) {
    const response = await app.request(path, { ...init, headers: { ...init.headers, origin } });
    const names = [...response.headers.keys()];
    expect(names.filter((name) => name.startsWith('access-control'))).toEqual([]);
    await response.body?.cancel();
  }
});

describe('CORS, where it is asked for', () => {
  const cors = { origin, allowMethods: ['POST'], allowHeaders: ['content-type', 'prefer'] };

  it('answers a preflight, and needs no credentials for that', async () => {
    const { app } = appOf({}, { cors, authenticate: () => undefined });
    const response = await app.request('/orders', {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST' },
    });
    expect(response.status).toBe(204);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': 'content-type,prefer',
    });
  });

  it('lets that origin read answers and errors, and no other one', async () => {
    const { app } = appOf({}, { cors });
    for (const path of ['/orders', '/orders/none', '/none', '/events']) {
      const mine = await app.request(path, { headers: { origin } });
      expect(mine.headers.get('access-control-allow-origin')).toBe(origin);
      await mine.body?.cancel();
      const other = await app.request(path, { headers: { origin: 'https://evil.example' } });
      expect(other.headers.get('access-control-allow-origin')).toBeNull();
      await other.body?.cancel();
    }
  });

  it("lets that origin read the headers of answers, and the host's", async () => {
    const exposed = async (own: object): Promise<string | null> => {
      const { app } = appOf({}, { cors: { ...cors, ...own } });
      const response = await app.request('/orders/none', { headers: { origin } });
      return response.headers.get('access-control-expose-headers');
    };
    expect(await exposed({})).toBe('Location,Preference-Applied,Retry-After');
    const ours = { exposeHeaders: ['x-own', 'location'] };
    expect(await exposed(ours)).toBe('x-own,location,Preference-Applied,Retry-After');
  });
});

it.each([{}, { cors: { origin: 'https://shop.example' } }])(
  'OPTIONS has the security headers, with %j',
  async (options) => {
    const { app } = appOf({}, options);
    const headers = { origin: 'https://shop.example', 'access-control-request-method': 'POST' };
    const response = await app.request('/orders', { method: 'OPTIONS', headers });
    expect(response.status).toBe(204);
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(response.headers.get('cache-control')).toBe('no-store');
  },
);
