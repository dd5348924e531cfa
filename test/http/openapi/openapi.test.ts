import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { OrderError, type OrderProcessorOptions } from 'order-processor';
import type { OrderAppOptions } from 'order-processor/http';
import { describe, expect, it } from 'vitest';
import { deferred, range } from '../../kit/helpers.ts';
import { appOf, bodyOf, type Json, order } from '../helpers.ts';

const metrics = { contentType: 'text/plain; version=0.0.4', metrics: async () => 'up 1\n' };
const payload = {
  type: 'object',
  properties: { dish: { type: 'string' } },
  required: ['dish'],
};

async function documentOf(options: OrderAppOptions = {}): Promise<Json> {
  return bodyOf(await appOf({}, { metrics, ...options }).get('/openapi.json'));
}

it.each([
  {},
  { authenticate: () => undefined },
  { openapi: { title: 'Meals', version: '2.1', payload } },
])('the document is valid OpenAPI 3.1, with %j', async (options) => {
  const document = await documentOf(options);
  const validator = new Validator();
  const { valid, errors } = await validator.validate(structuredClone(document));
  expect(errors).toBeUndefined();
  expect([valid, validator.version]).toEqual([true, '3.1']);
});

it('it has every route of the app, and no other', async () => {
  const { app } = appOf({}, { metrics });
  const { paths } = await bodyOf(await app.request('/openapi.json'));
  const told = Object.entries(paths as object).flatMap(([path, item]) =>
    Object.keys(item)
      .filter((key) => key !== 'parameters')
      .map((method) => `${method.toUpperCase()} ${path}`),
  );
  const there = new Set<string>();
  for (const { method, path } of app.routes) {
    if (!['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].includes(method)) continue;
    const shown = path.replace(/:(\w+)/g, '{$1}');
    const response = await app.request(path.replace(/:\w+/g, 'x'), { method });
    if (response.status !== 405) there.add(`${method} ${shown}`);
    await response.body?.cancel();
  }
  // Of the route of one order, which may be named so.
  const batch = await app.request('/orders/batch', { method: 'POST' });
  if (batch.status !== 405) there.add('POST /orders/batch');
  expect(told.sort()).toEqual([...there].sort());
});

it('all its references lead somewhere in it', async () => {
  const document = await documentOf();
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]*)"/g)];
  expect(references.length).toBeGreaterThan(10);
  for (const [, reference] of references) {
    const [root, ...names] = (reference as string).split('/');
    expect(root).toBe('#');
    expect(names.reduce((at, name) => at?.[name], document)).toBeTypeOf('object');
  }
  expect(JSON.stringify(document)).not.toMatch(/"\$(id|schema)"/);
});

it('without metrics it has none', async () => {
  const { paths } = await documentOf({ metrics: undefined });
  expect(paths).not.toHaveProperty('/metrics');
});

it('each operation says whether it asks for credentials, and for which', async () => {
  const of = async (options: OrderAppOptions): Promise<[Json, Record<string, Json>]> => {
    const { security, paths, components } = await documentOf(options);
    const operations = Object.entries(paths as Json).flatMap(([path, item]) =>
      Object.entries(item as Json)
        .filter(([method]) => method !== 'parameters')
        .map(([method, operation]: [string, Json]) => [`${method} ${path}`, operation.security]),
    );
    return [[security, components.securitySchemes], Object.fromEntries(operations)];
  };
  const [none, open] = await of({});
  expect(none).toEqual([[], undefined]);
  expect(new Set(Object.values(open).map((each) => each.length))).toEqual(new Set([0]));
  const [bearer, guarded] = await of({ authenticate: () => undefined });
  expect(bearer).toEqual([[{ bearer: [] }], { bearer: { type: 'http', scheme: 'bearer' } }]);
  for (const [operation, security] of Object.entries(guarded)) {
    const isOpen = /\/(health|livez|readyz|openapi\.json)$/.test(operation);
    expect([operation, security]).toEqual([operation, isOpen ? [] : [{ bearer: [] }]]);
  }
  const securitySchemes = {
    session: { type: 'apiKey', in: 'cookie', name: 'session' },
    token: { type: 'http', scheme: 'bearer' },
  };
  const openapi = { securitySchemes };
  const [own, either] = await of({ authenticate: () => undefined, openapi });
  expect(own).toEqual([[{ session: [] }, { token: [] }], securitySchemes]);
  expect(either['post /orders']).toEqual([{ session: [] }, { token: [] }]);
});

it('its server is where it stands, wherever the app is mounted', async () => {
  const { servers } = await documentOf();
  const base = new URL(servers[0].url, 'https://shop.example/api/v1/openapi.json');
  expect(new URL('orders', base).href).toBe('https://shop.example/api/v1/orders');
  const own = [{ url: 'https://shop.example/api' }];
  expect((await documentOf({ openapi: { servers: own } })).servers).toEqual(own);
});

it('it has the payload’s schema that it was given, wherever a payload stands', async () => {
  const { info, components } = await documentOf({ openapi: { title: 'Meals', payload } });
  const description = expect.stringContaining('balances');
  expect(info).toEqual({ title: 'Meals', version: '1', description });
  for (const name of ['Order', 'OrderRecord', 'Receipt']) {
    expect(components.schemas[name].properties.payload).toMatchObject(payload);
  }
});

/** Checks answers against the document, and remembers which ones there were. */
class Contract {
  readonly #document: Json;
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });
  readonly seen = new Set<string>();

  constructor(document: Json) {
    this.#document = document;
    this.#ajv.addSchema({ $id: 'https://api.example/', ...document });
  }

  /** @param path - as in the document */
  async check(method: string, path: string, response: Response): Promise<Json> {
    const operation = this.#document.paths[path][method.toLowerCase()];
    const { status: code } = response;
    const names = [`${code}`, `${Math.floor(code / 100)}XX`, 'default'];
    const status = names.find((name) => name in operation.responses) as string;
    expect(status !== 'default' || code >= 500).toBe(true);
    this.seen.add(`${method} ${path} ${status}`);
    const type = (response.headers.get('content-type') as string).split(';')[0] as string;
    expect(Object.keys(operation.responses[status].content)).toContain(type);
    const text = await response.text();
    if (!type.includes('json')) return text;
    const at = [
      'paths',
      path,
      method.toLowerCase(),
      'responses',
      status,
      'content',
      type,
      'schema',
    ];
    const pointer = at.map((part) =>
      encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')),
    );
    const validate = this.#ajv.getSchema(`https://api.example/#/${pointer.join('/')}`);
    const values = type === 'application/x-ndjson' ? text.trim().split('\n') : [text];
    for (const value of values) {
      const isValid = validate?.(JSON.parse(value));
      expect([isValid, validate?.errors, value]).toEqual([true, null, value]);
    }
    return values.map((value) => JSON.parse(value))[0];
  }

  /** All that the document promises. */
  get promised(): string[] {
    return Object.entries(this.#document.paths as Json).flatMap(([path, item]) =>
      Object.entries(item as Json)
        .filter(([method]) => method !== 'parameters')
        .flatMap(([method, { responses }]: [string, Json]) =>
          Object.keys(responses).map((status) => `${method.toUpperCase()} ${path} ${status}`),
        ),
    );
  }
}

const slow = deferred();
const steps: OrderProcessorOptions['steps'] = [
  {
    name: 'pay',
    run: ({ id }) => (id === 'slow' ? slow.promise : 'paid'),
    compensate: ({ id }) => {
      if (id === 'spoilt') throw new Error('No');
    },
  },
  {
    name: 'ship',
    after: 'pay',
    retry: { attempts: 2, delayMs: 1 },
    run: ({ id }) => {
      if (id === 'unserved' || id === 'spoilt') throw new OrderError('no_courier', 'Nobody');
      if (id === 'bug') throw new Error('A bug');
    },
  },
];

describe('real answers', () => {
  it('fit the document, and every answer of the document is given', async () => {
    const { processor, get, post, remove, batch } = appOf({ steps, capacity: 2 }, { metrics });
    processor.on('error', () => {});
    const contract = new Contract(await bodyOf(await get('/openapi.json')));
    const wait = { prefer: 'wait=10' };
    const check = async (method: string, path: string, response: Promise<Response>) =>
      contract.check(method, path, await response);

    for (const id of ['done', 'unserved', 'spoilt', 'bug']) {
      await check('POST', '/orders', post({ ...order, id, payload: { dish: 'soup' } }, wait));
      await check('GET', '/orders/{id}', get(`/orders/${id}`));
    }
    await check('POST', '/orders', post({ userId: 'u', amount: 1 }));
    await check('POST', '/orders', post({ ...order, amount: 0.5 }));
    await check('POST', '/orders', post('{'));
    await processor.onIdle();
    await check('GET', '/orders', get('/orders?limit=2'));
    await check('GET', '/orders', get('/orders'));
    await check('GET', '/orders', get('/orders?limit=0'));
    await check('GET', '/orders/{id}', get('/orders/none'));
    const lines = ['done-2', 'unserved', 'bad', 'bug'].map((id) =>
      JSON.stringify(id === 'bad' ? { id } : { userId: 'u', amount: 5, id }),
    );
    await check('POST', '/orders/batch', batch(`${lines.join('\n')}\n{\n`));
    await check('POST', '/orders/batch', batch('{}', { 'content-type': 'text/plain' }));
    await check('GET', '/users/{userId}/balance', get('/users/u/balance'));
    await check('GET', '/users/{userId}/balance', get('/users/none/balance'));
    const retry = '/orders/{id}/retry';
    await check('POST', retry, post(undefined, {}, '/orders/unserved/retry'));
    await processor.onIdle();
    await check('GET', '/orders/{id}', get('/orders/unserved'));
    await check('POST', retry, post(undefined, {}, '/orders/done/retry'));
    const compensate = '/orders/{id}/compensate';
    await check('POST', compensate, post(undefined, {}, '/orders/unserved/compensate'));
    await check('POST', compensate, post(undefined, {}, '/orders/done/compensate'));
    const hold = '/users/{userId}/hold';
    await check('POST', hold, post({ reason: 'Fraud' }, {}, '/users/frozen/hold'));
    await check('POST', hold, post({ reason: 1 }, {}, '/users/frozen/hold'));
    await check('GET', '/holds', get('/holds'));
    await check('GET', '/holds', get('/holds?limit=0'));
    await check('GET', '/health', get('/health'));
    await check('DELETE', hold, remove('/users/frozen/hold'));
    await check('DELETE', hold, remove('/users/frozen/hold'));
    const times = { expiresAt: Date.now() + 60_000 };
    const postings = [{ userId: 'fees', amount: 5 }];
    await check('POST', '/orders', post({ ...order, ...times, postings, id: 'split' }, wait));
    await check('GET', '/orders/{id}', get('/orders/split'));
    const movements = '/users/{userId}/movements';
    await check('GET', movements, get('/users/fees/movements?limit=1'));
    await check('GET', movements, get('/users/fees/movements?limit=0'));
    await check('GET', '/outcomes', get('/outcomes?after=x'));
    const feed = await get('/outcomes');
    const [line] = new TextDecoder()
      .decode((await feed.body?.getReader().read())?.value)
      .split('\n');
    await check('GET', '/outcomes', Promise.resolve(new Response(line, { headers: feed.headers })));
    await check('GET', '/stats', get('/stats'));
    await check('GET', '/stats', get('/stats?a=1'));
    await check('GET', '/metrics', get('/metrics'));
    await check('GET', '/metrics', get('/metrics?a=1'));
    await check('GET', '/openapi.json', get('/openapi.json'));
    for (const path of ['/health', '/livez', '/readyz']) await check('GET', path, get(path));

    await check('POST', '/orders', post({ ...order, id: 'slow' }));
    await check('POST', '/orders', post({ ...order, id: 'waits' }));
    await check('POST', '/orders', post({ ...order, id: 'too many' }));
    await check('GET', '/health', get('/health'));
    await check('GET', '/orders/{id}', get('/orders/slow'));
    await check('DELETE', '/orders/{id}', remove('/orders/waits'));
    await check('DELETE', '/orders/{id}', remove('/orders/slow'));
    await check('DELETE', '/orders/{id}', remove('/orders/done'));
    slow.resolve();
    await processor.onIdle();

    const events = await get('/events');
    await check('GET', '/events', get('/events?a=1'));
    const closing = processor.shutdown();
    expect(events.headers.get('content-type')).toContain('text/event-stream');
    contract.seen.add('GET /events 200');
    await events.body?.cancel();
    await closing;
    await check('GET', '/health', get('/health'));
    await check('GET', '/readyz', get('/readyz'));

    // `default` is for what fails here, and probes are refused before they come to the app.
    const unseen = contract.promised.filter((promise) => !contract.seen.has(promise));
    const isSeldom = / default$|GET \/(health|readyz|livez|openapi\.json) 4XX$/;
    expect(unseen.filter((promise) => !isSeldom.test(promise))).toEqual([]);
  });

  it('what the document takes for an order is what is taken', async () => {
    const { components } = await documentOf();
    const ajv = new Ajv2020({ strict: false });
    const validate = ajv.compile(components.schemas.Order);
    const { post, processor } = appOf({ capacity: 100 });
    processor.pause();
    for (const given of [
      { userId: 'u', amount: 1 },
      { ...order, priority: 'low', payload: [null] },
      { ...order, id: 'x', payload: 'text' },
      { ...order, id: 1 },
      { ...order, id: '' },
      { ...order, id: 'i'.repeat(257) },
      { ...order, userId: undefined },
      { ...order, amount: 1.5 },
      { ...order, amount: '1' },
      { ...order, amount: 2 ** 53 },
      { ...order, priority: 'none' },
      { ...order, more: 1 },
      { ...order, id: 'split', postings: [{ userId: 'v', amount: 1 }] },
      { ...order, id: 'none', postings: [] },
      { ...order, id: 'later', expiresAt: Date.now() + 60_000 },
      { ...order, id: 'delayed', notBefore: Date.now() + 60_000 },
      { ...order, notBefore: -1 },
      { ...order, notBefore: 0.5 },
      { ...order, postings: {} },
      { ...order, postings: [{ userId: 'v', amount: 0 }] },
      { ...order, postings: [{ userId: 'v', amount: 0.5 }] },
      { ...order, postings: [{ userId: 'v', amount: 2 ** 53 }] },
      { ...order, postings: [{ userId: '', amount: 1 }] },
      { ...order, postings: [{ userId: 'v' }] },
      { ...order, postings: [{ userId: 'v', amount: 1, balance: 7 }] },
      { ...order, postings: range(101).map((at) => ({ userId: `v-${at}`, amount: 1 })) },
      { ...order, expiresAt: -1 },
      { ...order, expiresAt: 'soon' },
      [],
      null,
    ]) {
      const sent = JSON.parse(JSON.stringify(given));
      const { status } = await post(sent);
      expect([sent, status === 202]).toEqual([sent, validate(sent)]);
    }
  });

  const longest = 'i'.repeat(256);
  it.each([
    'o-1',
    longest,
    `${longest}i`,
    `"${longest}"`,
    `"${longest}i"`,
    `"${'\\"'.repeat(256)}"`,
    '"',
    '""',
    '"a"b"',
    '"a\\"',
    '.',
    '".."',
    'x, y',
  ])('what the document takes for an `Idempotency-Key` is what is taken: %j', async (key) => {
    const { paths } = await documentOf();
    const { schema } = paths['/orders'].post.parameters.find(
      (each: Json) => each.name === 'Idempotency-Key',
    );
    const isFine = new Ajv2020({ strict: false }).validate(schema, key);
    const { status } = await appOf().post({ userId: 'u', amount: 1 }, { 'idempotency-key': key });
    // That a name is neither `.` nor `..` is in the description.
    const isDots = /^"?\.\.?"?$/.test(key);
    expect(status).toBe(isFine && !isDots ? 202 : 400);
  });

  it('a path takes the ids of orders, and anything else is not found, as the document says', async () => {
    const document = await documentOf();
    const { userId } = document.components.schemas.Order.properties;
    const { get, remove } = appOf();
    const contract = new Contract(document);
    const tooLong = `${longest}i`;
    for (const [path, answer] of [
      ['GET /orders/{id}', get(`/orders/${tooLong}`)],
      ['DELETE /orders/{id}', remove(`/orders/${tooLong}`)],
      ['GET /users/{userId}/balance', get(`/users/${tooLong}/balance`)],
    ] as const) {
      const [method = '', at = ''] = path.split(' ');
      const [{ schema }] = document.paths[at].parameters;
      expect(schema).toEqual(userId);
      expect(new Ajv2020({ strict: false }).validate(schema, tooLong)).toBe(false);
      expect(await contract.check(method, at, await answer)).toMatchObject({ code: 'not_found' });
    }
  });
});
