import fc from 'fast-check';
import { Hono } from 'hono';
import { OrderProcessor } from 'order-processor';
import { createOrderApp } from 'order-processor/http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { appOf, bodyOf, callsOf, problemIn } from './helpers.ts';

/** Any name that an order may have; the odd ones that are known to be hard come often. */
const name = fc
  .oneof(
    { weight: 3, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }) },
    { weight: 1, arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }) },
    {
      weight: 3,
      arbitrary: fc
        .array(
          fc.constantFrom(
            ...['.', '..', '/', '//', '\\', '%', '%2F', '%2f', '%25', '%41', '%ff', '%E4'],
            ...['?', '#', ':', '@', '&', '=', '+', ' ', ';', ',', '*', '{id}', ':id', '~', "'"],
            ...['\n', '\r', '\t', '\0', '\u2028', 'é', 'é', '😀', 'batch', '__proto__', 'http:'],
          ),
          { minLength: 1, maxLength: 6 },
        )
        .map((parts) => parts.join('')),
    },
  )
  .filter((text) => text.isWellFormed() && text !== '.' && text !== '..' && text.length <= 256);

const base = 'http://localhost';

it.each(['', '/api', '/a/b%20c'])(
  'any id and any user’s id goes from POST to Location, GET, DELETE and balance, under %j',
  async (prefix) => {
    const { app: own, processor } = appOf();
    const app = prefix === '' ? own : new Hono().route(decodeURI(prefix), own);
    const { post, get, remove } = callsOf(app);
    await fc.assert(
      fc.asyncProperty(
        name,
        name,
        fc.integer({ min: 1, max: 1_000 }),
        async (id, userId, amount) => {
          const url = `${base}${prefix}/orders`;
          const before = (await processor.balance(userId)) ?? 0;
          const known = await processor.order(id);
          if (known !== undefined) return;
          const response = await post({ id, userId, amount }, { prefer: 'wait=5' }, url);
          const location = new URL(response.headers.get('location') as string, url);
          expect((await bodyOf(response)).orderId).toBe(id);
          expect(location.origin).toBe(base);
          expect(await bodyOf(await get(location.href))).toMatchObject({ id, userId, amount });
          expect((await remove(location.href)).status).toBe(409);
          const user = `${base}${prefix}/users/${encodeURIComponent(userId)}/balance`;
          expect(await bodyOf(await get(user))).toEqual({ userId, balance: before + amount });
          const query = new URLSearchParams({ userId, limit: '1000' });
          const { orders } = await bodyOf(await get(`${url}?${query}`));
          expect(orders.map((order: { id: string }) => order.id)).toContain(id);
        },
      ),
      { numRuns: 150 },
    );
  },
);

it.each(['%FF', '%', '%E4a', '%F0%9F%98', '%ED%A0%80', '%C0%AF'])(
  '%j is no name, nor another way to write one, in a path as in a query (invariant 5)',
  async (escapes) => {
    const { get, post, remove, processor } = appOf();
    for (const id of [escapes, '\ufffd']) {
      await post({ id, userId: id, amount: 1 }, { prefer: 'wait=5' });
    }
    for (const path of [`/orders/${escapes}`, `/users/${escapes}/balance`]) {
      await problemIn(await get(path), 404, 'not_found');
    }
    await problemIn(await remove(`/orders/${escapes}`), 404, 'not_found');
    await problemIn(await get(`/orders?userId=${escapes}`), 400, 'bad_request');
    expect(processor.stats().accepted).toBe(2);
    expect(await bodyOf(await get(`/orders/${encodeURIComponent(escapes)}`))).toMatchObject({
      id: escapes,
    });
  },
);

it.each(['.', '..'])(
  '%j is no user’s id and no order’s, since no path could name it',
  async (id) => {
    const { post } = appOf();
    expect((await post({ id, userId: 'u', amount: 1 })).status).toBe(400);
    expect((await post({ userId: id, amount: 1 })).status).toBe(400);
  },
);

it('an order named like a route is an order', async () => {
  const { post, get, remove, processor } = appOf();
  processor.pause();
  await post({ id: 'batch', userId: 'u', amount: 1 });
  expect(await bodyOf(await get('/orders/batch'))).toMatchObject({ id: 'batch' });
  expect(await bodyOf(await remove('/orders/batch'))).toMatchObject({ status: 'canceled' });
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

describe('a name of 129 characters that are two code units each', () => {
  const name = '👍'.repeat(129);

  it.each(['/orders', '/events'])(
    'is too long for %s, as it is for the processor',
    async (path) => {
      const response = await app.request(`${path}?userId=${encodeURIComponent(name)}`);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ issues: [{ path: 'userId' }] });
      expect(internal).toEqual([]);
    },
  );
});
