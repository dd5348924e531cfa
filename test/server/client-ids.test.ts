/** Ids over the network: each user has ids of its own, in the storage as in lists, over HTTP and gRPC alike. */
import { fromJson } from '@bufbuild/protobuf';
import { ValueSchema } from '@bufbuild/protobuf/wkt';
import { ConnectError, createClient, createRouterTransport } from '@connectrpc/connect';
import fc from 'fast-check';
import { OrderProcessor, type OrderProcessorOptions } from 'order-processor';
import { createOrderRoutes, OrderErrorDetailSchema, OrderService } from 'order-processor/grpc';
import { bearer, createOrderApp } from 'order-processor/http';
import { describe, expect, it } from 'vitest';
import { clientIdOf, prefixOf } from '../../src/server/client-ids.ts';
import { bodyOf, callsOf, type Json, linesOf, problemIn } from '../http/helpers.ts';

const tokens = {
  operator: { users: 'all' },
  one: { users: ['u-1'], mayAddMoney: true },
  two: { users: ['u-2'], mayAddMoney: true },
  shop: { users: (id: string) => id.startsWith('shop:'), mayAddMoney: true },
} as const;
type Who = keyof typeof tokens;
const tokenOf = (who: Who) => `the-long-random-token-of-${who}`;
const as = (who: Who) => ({ authorization: `Bearer ${tokenOf(who)}` });
const authenticate = bearer(
  Object.fromEntries(Object.entries(tokens).map(([who, access]) => [tokenOf(who as Who), access])),
);

function bothProtocols(options: OrderProcessorOptions = {}) {
  const processor = new OrderProcessor(options);
  const app = createOrderApp(processor, { authenticate });
  const transport = createRouterTransport(
    createOrderRoutes(processor, { authenticate, onError() {} }),
  );
  return { processor, app, ...callsOf(app), client: createClient(OrderService, transport) };
}

const order = (userId: string, amount = 100) => ({ userId, amount });
const keyed = (who: Who, key = '1') => ({ ...as(who), 'idempotency-key': key });
const waiting = { prefer: 'wait=5' };

async function grpcFailure(call: Promise<unknown>): Promise<Json> {
  const error = ConnectError.from(await call.catch((thrown) => thrown));
  return { message: error.rawMessage, detail: error.findDetails(OrderErrorDetailSchema)[0] };
}

describe('two clients with one key', () => {
  it('have an order each, which each sees by its own id alone', async () => {
    const { post, get, processor } = bothProtocols();
    for (const [who, userId, amount] of [
      ['one', 'u-1', 100],
      ['two', 'u-2', 200],
    ] as const) {
      const response = await post(order(userId, amount), { ...keyed(who), ...waiting });
      expect(response.headers.get('location')).toBe('orders/1');
      expect(await bodyOf(response)).toMatchObject({ orderId: '1', userId, balance: amount });
      const record = await bodyOf(await post(order(userId, amount), keyed(who)), 202);
      expect(record).toMatchObject({ id: '1', userId, balance: amount });
      expect(await bodyOf(await get('/orders/1', as(who)))).toEqual(record);
      const { orders } = await bodyOf(await get(`/orders?userId=${userId}`, as(who)));
      expect(orders).toEqual([record]);
    }
    expect(processor.stats()).toMatchObject({ accepted: 2, duplicates: 2, refused: 0 });
  });

  it('have one each over gRPC too, the same as over HTTP', async () => {
    const { client, post, get, processor } = bothProtocols();
    for (const [who, userId] of [
      ['one', 'u-1'],
      ['two', 'u-2'],
    ] as const) {
      const options = { headers: as(who) };
      const given = { id: '1', userId, amount: 100n };
      const { receipt } = await client.submitOrder({ order: given }, options);
      expect(receipt).toMatchObject({ orderId: '1', userId, balance: 100n });
      const { record } = await client.enqueueOrder({ order: given }, options);
      expect(record).toMatchObject({ id: '1', userId });
      expect((await client.getOrder({ id: '1' }, options)).record).toEqual(record);
      const { records } = await client.listOrders({ userId }, options);
      expect(records).toEqual([record]);
      expect(await bodyOf(await get('/orders/1', as(who)))).toMatchObject({ id: '1', userId });
      const again = await post(order(userId), { ...keyed(who), ...waiting });
      expect(await bodyOf(again)).toMatchObject({ orderId: '1', balance: 100 });
    }
    expect(processor.stats().accepted).toBe(2);
  });

  it('cannot take, find, cancel or guess at each other’s', async () => {
    const { post, get, remove, client, processor } = bothProtocols();
    processor.pause();
    await bodyOf(await post(order('u-1'), keyed('one', 'secret')), 202);
    const none = await (await get('/orders/none', as('two'))).text();
    for (const id of ['secret', '~u-1~secret']) {
      const path = `/orders/${encodeURIComponent(id)}`;
      expect(await (await get(path, as('two'))).text()).toBe(none);
      await problemIn(await remove(path, as('two')), 404, 'not_found');
      await problemIn(await get(`${path}?userId=u-1`, as('two')), 403, 'forbidden');
      const { detail } = await grpcFailure(client.getOrder({ id }, { headers: as('two') }));
      expect(detail.code).toBe('not_found');
      // It is a new order in any case.
      await bodyOf(await post(order('u-2', 7), keyed('two', id)), 202);
    }
    expect(await processor.order('~u-1~secret')).toMatchObject({ userId: 'u-1', amount: 100 });
    processor.resume();
    await processor.onIdle();
    expect(await processor.balance('u-1')).toBe(100);
  });
});

describe('the id of a client', () => {
  it('is its own in each error too, where the content is another and where the order fails', async () => {
    const steps = [
      {
        name: 'pay',
        run({ id, amount }: { id: string; amount: number }) {
          if (amount < 0) throw Object.assign(new Error(`No card for ${id}`), { code: 'declined' });
        },
      },
    ];
    const { post, batch, client } = bothProtocols({ steps });
    await post(order('u-1'), { ...keyed('one'), ...waiting });
    const conflict = await post(order('u-1', 7), keyed('one'));
    const problem = await problemIn(conflict, 409, 'order_conflict');
    expect(problem).toMatchObject({ orderId: '1', userId: 'u-1' });
    expect(JSON.stringify(problem)).not.toContain('~');
    const failed = await (
      await post(order('u-1', -1), { ...keyed('one', '2'), ...waiting })
    ).text();
    expect(JSON.parse(failed)).toMatchObject({ orderId: '2' });
    expect(failed).not.toContain('~');
    const lines = await linesOf(
      await batch(
        '{"id":"1","userId":"u-1","amount":9}\n{"id":"2","userId":"u-1","amount":-1}\n',
        as('one'),
      ),
    );
    expect(lines).toMatchObject([{ code: 'order_conflict', orderId: '1' }, { orderId: '2' }]);
    expect(JSON.stringify(lines)).not.toContain('~');
    const given = { id: '1', userId: 'u-1', amount: 9n };
    const { message, detail } = await grpcFailure(
      client.submitOrder({ order: given }, { headers: as('one') }),
    );
    expect(detail).toMatchObject({ code: 'order_conflict', orderId: '1' });
    expect(message).not.toContain('~');
    for await (const { outcome } of client.submitOrders(
      (async function* () {
        yield { order: given };
      })(),
      { headers: as('one') },
    )) {
      expect((outcome.value as Json).error).toMatchObject({ code: 'order_conflict', orderId: '1' });
    }
  });

  it('is generated as one of its own, so that the order is known by it', async () => {
    const { post, batch, client, processor } = bothProtocols();
    const { id } = await bodyOf(await post(order('u-1'), as('one')), 202);
    const again = await post(order('u-1'), { ...keyed('one', id), ...waiting });
    expect(await bodyOf(again)).toMatchObject({ orderId: id, balance: 100 });
    const [line] = await linesOf(await batch(JSON.stringify(order('u-1')), as('one')));
    const { receipt } = await client.submitOrder(
      { order: { id: line.orderId, userId: 'u-1', amount: 100n } },
      { headers: as('one') },
    );
    expect(receipt).toMatchObject({ orderId: line.orderId, balance: 200n });
    expect(processor.stats()).toMatchObject({ accepted: 2, duplicates: 2 });
  });

  it("is the storage's id for a client that acts for all", async () => {
    const { post, get, remove, client, processor } = bothProtocols();
    processor.pause();
    await post(order('u-1'), keyed('one'));
    const stored = '~u-1~1';
    const { orders } = await bodyOf(await get('/orders', as('operator')));
    expect(orders).toMatchObject([{ id: stored }]);
    expect(await bodyOf(await get(`/orders/${stored}`, as('operator')))).toEqual(orders[0]);
    await problemIn(await get('/orders/1', as('operator')), 404, 'not_found');
    const { record } = await client.getOrder({ id: stored }, { headers: as('operator') });
    expect(record?.id).toBe(stored);
    await bodyOf(await post({ ...order('u-1'), id: stored }, as('operator')), 202);
    expect(processor.stats()).toMatchObject({ accepted: 1, duplicates: 1 });
    expect((await remove(`/orders/${stored}`, as('operator'))).status).toBe(200);
    expect(await bodyOf(await get('/orders/1', as('one')))).toMatchObject({ status: 'canceled' });
  });

  it('also finds what the host has handed in for its user', async () => {
    const { get, processor } = bothProtocols();
    await processor.submit({ id: 'host-1', ...order('u-1') });
    expect(await bodyOf(await get('/orders/host-1', as('one')))).toMatchObject({ id: 'host-1' });
    await problemIn(await get('/orders/host-1', as('two')), 404, 'not_found');
  });

  it('that acts for several users is for each of them another', async () => {
    const { post, get, remove, client, processor } = bothProtocols();
    processor.pause();
    for (const userId of ['shop:1', 'shop:2']) {
      const response = await post(order(userId), keyed('shop'));
      const location = `orders/1?${new URLSearchParams({ userId })}`;
      expect(response.headers.get('location')).toBe(location);
      expect(await bodyOf(await get(`/${location}`, as('shop')))).toMatchObject({
        id: '1',
        userId,
      });
      const wanted = { id: '1', userId };
      const { record } = await client.getOrder(wanted, { headers: as('shop') });
      expect(record).toMatchObject(wanted);
    }
    await problemIn(await get('/orders/1', as('shop')), 404, 'not_found');
    await problemIn(await get('/orders/1?userId=u-1', as('shop')), 403, 'forbidden');
    expect((await remove('/orders/1?userId=shop:1', as('shop'))).status).toBe(200);
    await client.cancelOrder({ id: '1', userId: 'shop:2' }, { headers: as('shop') });
    expect(processor.stats()).toMatchObject({ accepted: 2, canceled: 2 });
  });

  it("is in the events of its user; operators read the storage's ids", async () => {
    const { app, post, client, processor } = bothProtocols();
    const mine = await app.request('/events?userId=u-1', { headers: as('one') });
    const all = await app.request('/events', { headers: as('operator') });
    const watched: (string | undefined)[] = [];
    const ended = new AbortController();
    const watching = (async () => {
      const options = { headers: as('one'), signal: ended.signal };
      for await (const { event } of client.watchOrders({ userId: 'u-1' }, options)) {
        watched.push((event.value as Json).orderId ?? (event.value as Json).id);
      }
    })().catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 20));
    await post(order('u-1'), { ...keyed('one'), ...waiting });
    await post(order('u-1', 7), keyed('one'));
    const idsIn = async (response: Response): Promise<string[]> => {
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      let text = '';
      while (!text.includes('event: refused'))
        text += new TextDecoder().decode((await reader.read()).value);
      await reader.cancel();
      return [...text.matchAll(/"(?:id|orderId)":"([^"]*)"/g)].map(([, id = '']) => id);
    };
    expect(new Set(await idsIn(mine))).toEqual(new Set(['1']));
    expect(new Set(await idsIn(all))).toEqual(new Set(['~u-1~1']));
    while (watched.length < 4) await new Promise((resolve) => setTimeout(resolve, 2));
    expect(new Set(watched)).toEqual(new Set(['1']));
    ended.abort();
    await watching;
    await processor.shutdown();
  });

  it.each(['u-1', 'ü'.repeat(256), 'x'.repeat(64)])(
    'may have 190 characters, for every user %s',
    async (userId) => {
      const processor = new OrderProcessor();
      const { post, batch } = callsOf(
        createOrderApp(processor, { authenticate: () => ({ users: [userId], mayAddMoney: true }) }),
      );
      const id = 'k'.repeat(190);
      expect(await bodyOf(await post({ ...order(userId), id }), 202)).toMatchObject({ id });
      const long = { ...order(userId), id: 'k'.repeat(256) };
      const problem = await problemIn(await post(long), 400, 'invalid_order');
      expect(problem.issues).toMatchObject([{ path: 'id' }]);
      const [line] = await linesOf(await batch(JSON.stringify(long)));
      expect(line).toMatchObject({ status: 'refused', code: 'invalid_order' });
      expect(processor.stats().accepted).toBe(1);
    },
  );
});

describe('the stored id', () => {
  const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 });
  const users = fc.oneof(
    name,
    fc.constantFrom('u', 'u~', '~u', '!u', 'u-1', 'u-1~', 'x'.repeat(65)),
  );

  it('is another for each user and each id, and gives the client’s id back', () => {
    fc.assert(
      fc.property(users, name, users, name, (userA, idA, userB, idB) => {
        const [a, b] = [prefixOf(userA) + idA, prefixOf(userB) + idB];
        expect(a === b).toBe(userA === userB && idA === idB);
        expect(clientIdOf(a, userA)).toBe(idA);
        if (userA !== userB) expect(clientIdOf(b, userA)).toBe(b);
      }),
    );
  });

  it('has room for the user within the bounds of an id', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 256 }), (userId) => {
        expect(prefixOf(userId).length).toBeLessThanOrEqual(66);
      }),
    );
  });
});

it('the payload of a step has its own names, which are left alone', async () => {
  const { client } = bothProtocols();
  const payload = fromJson(ValueSchema, { id: '~u-1~1' });
  const given = { id: '1', userId: 'u-1', amount: 1n, payload };
  const { receipt } = await client.submitOrder({ order: given }, { headers: as('one') });
  expect(receipt?.payload).toEqual(payload);
});
