/** What a client of the role `read` may do, and accesses with unknown fields: over HTTP, over gRPC and in a dashboard. */
import { ConnectError, createClient, createRouterTransport } from '@connectrpc/connect';
import { OrderProcessor } from 'order-processor';
import { createDashboard } from 'order-processor/dashboard';
import { createOrderRoutes, OrderErrorDetailSchema, OrderService } from 'order-processor/grpc';
import { type Access, bearer, createOrderApp } from 'order-processor/http';
import { expect, it, onTestFinished } from 'vitest';
import { callsOf, problemIn } from '../http/helpers.ts';

const readers: [name: string, access: Access][] = [
  ['of all users', { users: 'all', role: 'read' }],
  ['that is an operator and acts for a user', { users: ['u-1'], isOperator: true, role: 'read' }],
];

async function opened(authenticate: () => Access) {
  const declining = { name: 'pay', run: () => Promise.reject(new Error('No')) };
  const processor = new OrderProcessor({ steps: [declining] });
  onTestFinished(async () => void (await processor.shutdown({ timeoutMs: 1 })));
  await processor.submit({ id: 'failed', userId: 'u-1', amount: 1 }).catch(() => {});
  processor.pause();
  await processor.enqueue({ id: 'o-1', userId: 'u-1', amount: 1 });
  await processor.hold('u-2');
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  const calls = callsOf(createOrderApp(processor, { authenticate, onError }));
  const routes = createOrderRoutes(processor, { authenticate, onError });
  const client = createClient(OrderService, createRouterTransport(routes));
  return { processor, client, errors, ...calls };
}

const order = { id: 'o-2', userId: 'u-1', amount: -1 };

it.each(readers)('a reader %s changes nothing over HTTP, and reads', async (_, access) => {
  const { processor, post, batch, get, remove } = await opened(() => access);
  for (const refused of [
    () => post(order),
    () => batch(JSON.stringify(order)),
    () => post({}, {}, '/orders/failed/retry'),
    () => post({}, {}, '/orders/failed/compensate'),
    () => post({}, {}, '/users/u-1/hold'),
    () => remove('/users/u-2/hold'),
    () => remove('/orders/o-1'),
  ]) {
    await problemIn(await refused(), 403, 'forbidden');
  }
  expect((await get('/orders/o-1')).status).toBe(200);
  expect((await get('/users/u-1/movements')).status).toBe(200);
  expect((await get('/holds')).status).toBe(200);
  expect(processor.stats()).toMatchObject({ heldLanes: 1, accepted: 2 });
});

it.each(readers)('a reader %s changes nothing over gRPC, and reads', async (_, access) => {
  const { processor, client } = await opened(() => access);
  const message = { ...order, amount: -1n };
  const orders = async function* () {
    yield { order: message };
  };
  const streamed = async () => {
    for await (const _ of client.submitOrders(orders()));
  };
  for (const refused of [
    () => client.submitOrder({ order: message }),
    () => client.enqueueOrder({ order: message }),
    streamed,
    () => client.retryOrder({ id: 'failed' }),
    () => client.compensateOrder({ id: 'failed' }),
    () => client.holdLane({ userId: 'u-1' }),
    () => client.releaseLane({ userId: 'u-2' }),
    () => client.cancelOrder({ id: 'o-1' }),
  ]) {
    const error = ConnectError.from(await refused().catch((thrown) => thrown));
    expect(error.findDetails(OrderErrorDetailSchema)[0]?.code).toBe('forbidden');
  }
  expect((await client.getOrder({ id: 'o-1' })).record?.id).toBe('o-1');
  expect((await client.listHolds({})).holds).toHaveLength(1);
  expect(processor.stats()).toMatchObject({ heldLanes: 1, accepted: 2 });
});

it('an access with an unknown field is none: it may be a restriction that is misspelled', async () => {
  const access = { users: 'all', rol: 'read' } as Access;
  const message = 'Expected the fields of an access to be among users';
  expect(() => bearer({ 'a-long-random-token': access })).toThrow(TypeError);
  expect(() => bearer({ 'a-long-random-token': access })).toThrow(message);
  const { post, client, errors, processor } = await opened(() => access);
  await problemIn(await post(order), 500, 'internal');
  await expect(client.getStats({})).rejects.toThrow('Something went wrong');
  const onError = (error: unknown): void => void errors.push(error);
  const dashboard = createDashboard(processor, { authenticate: () => access, onError });
  const response = await dashboard.fetch(new Request('http://ops.test/api/session'));
  await problemIn(response, 500, 'internal');
  dashboard.stop();
  for (const error of errors) expect(error).toMatchObject({ name: 'TypeError' });
  expect(errors).toHaveLength(3);
});
