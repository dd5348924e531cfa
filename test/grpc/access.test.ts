/** Who may do what: the same as over HTTP, by the metadata of the call. */
import { once } from 'node:events';
import { connect } from 'node:http2';
import { status } from '@grpc/grpc-js';
import { bearer } from 'order-processor/grpc';
import { HttpError } from 'order-processor/http';
import { describe, expect, it } from 'vitest';
import { Wire } from '../http/helpers.ts';
import { detailsOf, type Json, refusalOf, useServers } from './helpers.ts';

const start = useServers();
const as = (token: string) => ({ authorization: `Bearer ${token}` });
const operator = as('the-token-of-an-operator');
const user = as('the-token-of-user-one');
const metrics = as('the-token-of-a-dashboard');

async function startGuarded() {
  const running = await start({
    routes: {
      authenticate: bearer({
        'the-token-of-an-operator': { users: 'all' },
        'the-token-of-user-one': { users: ['u-1'], mayAddMoney: true },
        'the-token-of-a-dashboard': { users: [], isOperator: true },
      }),
    },
  });
  const { grpc, processor } = running;
  await processor.submit({ id: 'o-1', userId: 'u-1', amount: 10 });
  await processor.submit({ id: 'o-2', userId: 'u-2', amount: 20 });
  const statusOf = async (method: string, request: Json, headers = {}): Promise<string> =>
    grpc.call(method, request, {}, headers).then(
      () => 'OK',
      ({ code }) => status[code] as string,
    );
  const watchStatus = (request: Json, headers = {}): Promise<string> =>
    new Promise((resolve) => {
      const call = grpc.watchOrders(request, headers);
      call.on('error', ({ code }: Json) => resolve(status[code] as string));
      const feeding = setInterval(() => processor.submit({ userId: 'u-1', amount: 1 }), 5);
      call.once('data', () => {
        call.cancel();
        resolve('OK');
      });
      call.once('close', () => clearInterval(feeding));
      call.once('end', () => clearInterval(feeding));
      call.once('error', () => clearInterval(feeding));
    });
  return { ...running, statusOf, watchStatus };
}

const order = { id: 'o-3', userId: 'u-1', amount: 1 };
const calls: [string, Json][] = [
  ['submitOrder', { order }],
  ['enqueueOrder', { order }],
  ['getOrder', { id: 'o-1' }],
  ['listOrders', { userId: 'u-1' }],
  ['cancelOrder', { id: 'o-1' }],
  ['getBalance', { userId: 'u-1' }],
  ['getStats', {}],
  ['holdLane', { userId: 'u-1' }],
  ['releaseLane', { userId: 'u-1' }],
  ['listHolds', {}],
  ['listMovements', { userId: 'u-1' }],
];

describe('credentials that come twice', () => {
  it('are none, over HTTP/1.1 and HTTP/2', async () => {
    const { server } = await startGuarded();
    const path = '/orderprocessor.v1.OrderService/GetBalance';
    const authorization = [operator.authorization, user.authorization];
    const wire = new Wire(server.port);
    const own = ['content-type: application/json', 'content-length: 2', 'connection: close'];
    const credentials = authorization.map((value) => `authorization: ${value}`);
    wire.send([`POST ${path} HTTP/1.1`, ...credentials, ...own], '{}');
    await wire.closed;
    expect(wire.text).toContain('"code":"unauthenticated"');
    const session = connect(server.url, { strictSingleValueFields: false } as object);
    session.on('error', () => {});
    const stream = session.request([
      ...[':method', 'POST', ':path', path, ':scheme', 'http', ':authority', 'x'],
      ...authorization.flatMap((value) => ['authorization', value]),
      ...['content-type', 'application/json'],
    ] as never);
    stream.end('{}');
    const [headers] = await once(stream, 'response');
    expect(headers[':status']).toBe(401);
    session.destroy();
  });
});

describe('without credentials', () => {
  it.each(calls)('%s is UNAUTHENTICATED', async (method, request) => {
    const { statusOf, processor } = await startGuarded();
    expect(await statusOf(method, request)).toBe('UNAUTHENTICATED');
    expect(await statusOf(method, request, as('the-token-of-nobody-here'))).toBe('UNAUTHENTICATED');
    expect(await statusOf(method, request, { authorization: 'Basic dTpw' })).toBe(
      'UNAUTHENTICATED',
    );
    expect(processor.stats().accepted).toBe(2);
  });

  it('WatchOrders is UNAUTHENTICATED', async () => {
    const { watchStatus } = await startGuarded();
    expect(await watchStatus({ userId: 'u-1' })).toBe('UNAUTHENTICATED');
  });
});

describe('a client with users of its own', () => {
  it('acts for them', async () => {
    const { statusOf, watchStatus } = await startGuarded();
    for (const [method, request] of calls.filter(
      ([name]) => !/getStats|cancel|hold|releaseLane/i.test(name),
    )) {
      expect([method, await statusOf(method, request, user)]).toEqual([method, 'OK']);
    }
    expect(await watchStatus({ userId: 'u-1' }, user)).toBe('OK');
  });

  it('does not act for others, nor for all', async () => {
    const { statusOf, watchStatus, processor } = await startGuarded();
    const other = { ...order, userId: 'u-2' };
    expect(await statusOf('submitOrder', { order: other }, user)).toBe('PERMISSION_DENIED');
    expect(await statusOf('enqueueOrder', { order: other }, user)).toBe('PERMISSION_DENIED');
    expect(await statusOf('getBalance', { userId: 'u-2' }, user)).toBe('PERMISSION_DENIED');
    expect(await statusOf('listOrders', { userId: 'u-2' }, user)).toBe('PERMISSION_DENIED');
    expect(await statusOf('listOrders', {}, user)).toBe('PERMISSION_DENIED');
    for (const method of ['getStats', 'holdLane', 'releaseLane', 'listHolds']) {
      expect(await statusOf(method, { userId: 'u-1' }, user)).toBe('PERMISSION_DENIED');
    }
    expect(processor.stats().accepted).toBe(2);
    // It submits orders itself while it waits.
    expect(await watchStatus({}, user)).toBe('PERMISSION_DENIED');
    expect(await watchStatus({ userId: 'u-2' }, user)).toBe('PERMISSION_DENIED');
  });

  it("takes another user's order for none, and so does not learn that it is there", async () => {
    const { grpc } = await startGuarded();
    for (const method of ['getOrder', 'cancelOrder']) {
      const others = await refusalOf(grpc.call(method, { id: 'o-2' }, {}, user));
      const none = await refusalOf(grpc.call(method, { id: 'o-404' }, {}, user));
      expect([others.code, others.details]).toEqual([status.NOT_FOUND, none.details]);
      expect(detailsOf(others)).toEqual(detailsOf(none));
    }
  });

  it('is refused order by order in a stream', async () => {
    const { client, processor } = await startGuarded();
    const orders = async function* () {
      yield { order: { userId: 'u-1', amount: 1n } };
      yield { order: { userId: 'u-2', amount: 1n } };
      yield { order: { userId: 'u-1', amount: 1n } };
    };
    const outcomes: Json[] = [];
    for await (const { outcome } of client.submitOrders(orders(), { headers: user })) {
      outcomes.push(outcome);
    }
    expect(outcomes).toMatchObject([
      { case: 'receipt' },
      { case: 'unfulfilled', value: { isRefused: true, error: { code: 'forbidden' } } },
      { case: 'receipt' },
    ]);
    expect(await processor.balance('u-2')).toBe(20);
  });
});

it('an operator reads what is about everybody', async () => {
  const { statusOf, watchStatus } = await startGuarded();
  for (const headers of [operator, metrics]) {
    expect(await statusOf('getStats', {}, headers)).toBe('OK');
    expect(await watchStatus({}, headers)).toBe('OK');
  }
  expect(await statusOf('listOrders', {}, operator)).toBe('OK');
  expect(await statusOf('getOrder', { id: 'o-2' }, operator)).toBe('OK');
  // A client with an empty list may act for no user.
  expect(await statusOf('listOrders', {}, metrics)).toBe('PERMISSION_DENIED');
  expect(await statusOf('cancelOrder', { id: 'o-1' }, metrics)).toBe('PERMISSION_DENIED');
  // An operator reads each order by its id.
  expect(await statusOf('getOrder', { id: 'o-1' }, metrics)).toBe('OK');
});

describe('authenticate', () => {
  it('gets a request with the metadata as headers', async () => {
    const seen: unknown[] = [];
    const { grpc } = await start({
      routes: {
        authenticate: async ({ method, url, headers }) => {
          seen.push([method, new URL(url).pathname, headers.get('x-tenant')]);
          return { users: (id) => id.startsWith('u-'), mayAddMoney: true };
        },
      },
    });
    await grpc.call('submitOrder', { order }, {}, { 'x-tenant': 't-1' });
    expect(seen).toEqual([['POST', '/orderprocessor.v1.OrderService/SubmitOrder', 't-1']]);
  });

  it.each([
    [400, 'INVALID_ARGUMENT'],
    [401, 'UNAUTHENTICATED'],
    [403, 'PERMISSION_DENIED'],
    [404, 'NOT_FOUND'],
    [429, 'RESOURCE_EXHAUSTED'],
    [503, 'UNAVAILABLE'],
    [418, 'UNKNOWN'],
  ])('may throw an HttpError of %i, which is %s', async (httpStatus, name) => {
    const { grpc, errors } = await start({
      routes: {
        authenticate: () => {
          throw new HttpError(httpStatus, 'so_it_is', 'So it is');
        },
      },
    });
    const refusal = await refusalOf(grpc.call('getStats', {}));
    expect(status[refusal.code]).toBe(name);
    expect(detailsOf(refusal).order).toMatchObject({
      code: 'so_it_is',
      message: 'So it is',
      isRetryable: [429, 503].includes(httpStatus),
    });
    expect(errors).toEqual([]);
  });

  it.each([
    ['null', null],
    ['undefined', undefined],
  ])('identifies no client with %s', async (_, access) => {
    const { grpc } = await start({ routes: { authenticate: () => access as never } });
    expect((await refusalOf(grpc.call('getStats', {}))).code).toBe(status.UNAUTHENTICATED);
  });

  it.each([
    ['no access at all', {}],
    ['users that are none', { users: [5] }],
    ['a yes', true],
  ])('that answers %s admits no client, and notifies the host', async (_, access) => {
    const { grpc, errors } = await start({ routes: { authenticate: () => access as never } });
    expect((await refusalOf(grpc.call('getStats', {}))).code).toBe(status.INTERNAL);
    expect(errors).toEqual([expect.any(TypeError)]);
  });

  it('whose function of users throws admits no client', async () => {
    const users = () => {
      throw new Error('No database');
    };
    const { client, grpc, errors } = await start({ routes: { authenticate: () => ({ users }) } });
    expect((await refusalOf(grpc.call('submitOrder', { order }))).code).toBe(status.INTERNAL);
    const orders = async function* () {
      yield { order: { userId: 'u-1' } };
    };
    for await (const { outcome } of client.submitOrders(orders())) {
      expect(outcome.value).toMatchObject({ isRefused: true, error: { code: 'internal' } });
    }
    expect(errors).toHaveLength(2);
  });
});
