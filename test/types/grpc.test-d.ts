/** The types of `order-processor/grpc`. Checked by the compiler; nothing here runs. */
import type { ConnectRouter } from '@connectrpc/connect';
import { createClient, createRouterTransport } from '@connectrpc/connect';
import { OrderProcessor, type ShutdownSummary } from 'order-processor';
import {
  type Authenticate,
  bearer,
  createOrderRoutes,
  type Order,
  type OrderRecord,
  type OrderServer,
  OrderService,
  Priority,
  type Receipt,
  serveGrpc,
} from 'order-processor/grpc';
import { bearer as bearerOfHttp, createOrderApp, serve } from 'order-processor/http';
import { describe, expectTypeOf, it } from 'vitest';
import { z } from 'zod';

describe('createOrderRoutes', () => {
  it('takes a processor of any payload', () => {
    expectTypeOf(createOrderRoutes(new OrderProcessor())).toEqualTypeOf<
      (router: ConnectRouter) => void
    >();
    createOrderRoutes(new OrderProcessor<{ dish: string }>());
    createOrderRoutes(new OrderProcessor({ schema: z.object({ count: z.number().default(1) }) }));
    // @ts-expect-error no processor
    createOrderRoutes({});
  });

  it('takes the same `authenticate` as HTTP', () => {
    const authenticate = bearer({ 'a-long-random-token': { users: 'all' } });
    expectTypeOf(authenticate).toEqualTypeOf<Authenticate>();
    expectTypeOf(bearerOfHttp).toEqualTypeOf(bearer);
    createOrderRoutes(new OrderProcessor(), { authenticate });
    createOrderApp(new OrderProcessor(), { authenticate });
    // @ts-expect-error users are named
    createOrderRoutes(new OrderProcessor(), { authenticate: () => ({ users: 5 }) });
    // @ts-expect-error another name
    createOrderRoutes(new OrderProcessor(), { bodyLimitBytes: 5 });
  });
});

describe('a client', () => {
  const client = createClient(
    OrderService,
    createRouterTransport(createOrderRoutes(new OrderProcessor())),
  );

  it('has the messages of the contract, amounts as bigint', () => {
    expectTypeOf(client.submitOrder).returns.resolves.toHaveProperty('receipt');
    expectTypeOf(client.getOrder).returns.resolves.toHaveProperty('record');
    expectTypeOf<Receipt['balance']>().toEqualTypeOf<bigint>();
    expectTypeOf<OrderRecord['balance']>().toEqualTypeOf<bigint | undefined>();
    expectTypeOf<Order['priority']>().toEqualTypeOf<Priority>();
    client.submitOrder({ order: { userId: 'u-1', amount: 5n, priority: Priority.HIGH } });
    // @ts-expect-error no number
    client.submitOrder({ order: { userId: 'u-1', amount: 5 } });
    // @ts-expect-error no such field
    client.submitOrder({ order: { user: 'u-1' } });
  });

  it('streams', () => {
    expectTypeOf(client.watchOrders({})).toExtend<AsyncIterable<{ id: string }>>();
    expectTypeOf(client.submitOrders).parameter(0).toExtend<AsyncIterable<unknown>>();
  });
});

it('serveGrpc gives a server as `serve` does, and takes one beside it', async () => {
  const processor = new OrderProcessor();
  const server = await serveGrpc(createOrderRoutes(processor), { processor });
  expectTypeOf(server).toEqualTypeOf<OrderServer>();
  expectTypeOf(server.close).returns.resolves.toEqualTypeOf<ShutdownSummary | undefined>();
  await serve(createOrderApp(processor), { processor, beside: [server] });
  await serveGrpc((router) => expectTypeOf(router).toEqualTypeOf<ConnectRouter>());
  // @ts-expect-error of `serve` alone
  await serveGrpc(createOrderRoutes(processor), { keepAliveTimeoutMs: 5 });
});
