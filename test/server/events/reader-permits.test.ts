/** Invariant 6: how many read events is bounded for all, for each client, and for operators apart. */
import { Code, ConnectError, createClient, createRouterTransport } from '@connectrpc/connect';
import { OrderProcessor } from 'order-processor';
import { createOrderRoutes, OrderService } from 'order-processor/grpc';
import { type Access, createOrderApp } from 'order-processor/http';
import { afterEach, describe, expect, it } from 'vitest';

const accesses: Record<string, Access> = {
  operator: { users: 'all' },
  one: { users: ['u-1'] },
  two: { users: ['u-2'] },
  shop: { users: () => true, client: 'shop' },
  nameless: { users: () => true },
};
const authenticate = ({ headers }: Request) => accesses[headers.get('authorization') ?? ''];
const events = { readers: 4, readersPerClient: 2, operatorReaders: 1 };

const ends: (() => unknown)[] = [];
afterEach(async () => {
  await Promise.all(ends.splice(0).map((end) => end()));
});

/** Opens a reader; gives the status that it is answered. */
type Open = (who: string, userId?: string) => Promise<number>;

function overHttp(options: object = { authenticate, events }): Open {
  const app = createOrderApp(new OrderProcessor(), options);
  return async (authorization, userId) => {
    const query = userId === undefined ? '' : `?userId=${userId}`;
    const response = await app.request(`/events${query}`, { headers: { authorization } });
    if (response.status === 200) ends.push(() => response.body?.cancel());
    return response.status;
  };
}

const statusOf: Partial<Record<Code, number>> = {
  [Code.ResourceExhausted]: 429,
  [Code.Unavailable]: 503,
};

function overGrpc(): Open {
  const processor = new OrderProcessor();
  const routes = createOrderRoutes(processor, { authenticate, events, onError() {} });
  const client = createClient(OrderService, createRouterTransport(routes));
  return async (authorization, userId) => {
    const controller = new AbortController();
    const call = client.watchOrders(userId === undefined ? {} : { userId }, {
      headers: { authorization },
      signal: controller.signal,
    });
    const first = call[Symbol.asyncIterator]().next();
    const failed = first.then(
      () => 200,
      (error) => statusOf[ConnectError.from(error).code] ?? 0,
    );
    const isOpen = new Promise<number>((resolve) => setTimeout(() => resolve(200), 50));
    const status = await Promise.race([failed, isOpen]);
    if (status === 200) ends.push(() => controller.abort());
    return status;
  };
}

describe.each([
  ['HTTP', () => overHttp()],
  ['gRPC', () => overGrpc()],
])('readers of events over %s', (_, make) => {
  it('of one client are bounded, and leave the others theirs', async () => {
    const open = make();
    expect(await open('one', 'u-1')).toBe(200);
    expect(await open('one', 'u-1')).toBe(200);
    expect(await open('one', 'u-1')).toBe(429);
    expect(await open('two', 'u-2')).toBe(200);
    expect(await open('shop', 'u-1')).toBe(200);
    // All are bounded, too.
    expect(await open('two', 'u-2')).toBe(503);
    expect(await open('shop', 'u-9')).toBe(503);
    // And none of it is the operator's.
    expect(await open('operator')).toBe(200);
    expect(await open('operator')).toBe(503);
    await Promise.all(ends.splice(0, 1).map((end) => end()));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await open('two', 'u-2')).toBe(200);
  });

  it('are distinguished by name, or by the user of their events', async () => {
    const open = make();
    expect(await open('shop', 'u-1')).toBe(200);
    expect(await open('shop', 'u-2')).toBe(200);
    expect(await open('shop', 'u-3')).toBe(429);
    expect(await open('nameless', 'u-1')).toBe(200);
    expect(await open('nameless', 'u-1')).toBe(200);
    expect(await open('nameless', 'u-1')).toBe(429);
  });
});

it('without `authenticate` the bound of all holds alone', async () => {
  const open = overHttp({ events });
  for (const status of [200, 200, 200, 200, 503]) expect(await open('')).toBe(status);
});

it.each(['readers', 'readersPerClient', 'operatorReaders'])('`events.%s` is checked', (name) => {
  const processor = new OrderProcessor();
  const options = { events: { [name]: 0 } };
  expect(() => createOrderApp(processor, options)).toThrow(`events.${name}`);
  expect(() => createOrderRoutes(processor, options)).toThrow(`events.${name}`);
});

it('the name of a client is checked', async () => {
  const client = 5 as unknown as string;
  const errors: unknown[] = [];
  const app = createOrderApp(new OrderProcessor(), {
    authenticate: () => ({ users: [], client }),
    onError: (error) => errors.push(error),
  });
  expect((await app.request('/orders')).status).toBe(500);
  expect(errors).toMatchObject([{ message: expect.stringContaining('access.client') }]);
});
