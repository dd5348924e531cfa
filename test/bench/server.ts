/**
 * The server of one contender, a process of its own: its parent makes the load. Says its port when it
 * listens; ends with its parent.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { ConnectRouter } from '@connectrpc/connect';
import { Hono } from 'hono';
import { OrderProcessor } from 'order-processor';
import { createOrderRoutes, OrderService, serveGrpc } from 'order-processor/grpc';
import { createOrderApp, type FetchApp, type OrderServer, serve } from 'order-processor/http';
import { SqliteStorage } from 'order-processor/sqlite';
import { orderInput } from '../../src/http/openapi/input-schemas.ts';

/** The limit: a route that parses and validates the same, and answers the same bytes, of no order. */
function bare(): FetchApp {
  return new Hono().post('/orders', async (context) => {
    const { userId, amount } = orderInput.parse(await context.req.json());
    const id = '019e2f6e-6b7c-7c3e-9d0a-000000000000';
    const record = {
      ...{ id, userId, amount, priority: 'medium', labels: [], status: 'completed' },
      ...{ acceptedAt: 1_800_000_000_000, startedAt: 1_800_000_000_000 },
      ...{ settledAt: 1_800_000_000_000, balance: 1_000_000, steps: [] },
    };
    return new Response(JSON.stringify(record), {
      status: 202,
      headers: {
        'cache-control': 'no-store',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
        'cross-origin-resource-policy': 'same-origin',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
        'content-type': 'application/json',
        location: `orders/${id}`,
      },
    });
  });
}

async function onFile(): Promise<FetchApp> {
  const folder = mkdtempSync(join(tmpdir(), 'order-processor-bench-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const storage = await SqliteStorage.open(join(folder, 'orders.db'));
  return createOrderApp(new OrderProcessor({ storage }));
}

/** The limit of gRPC: the same messages, of no order. */
function echo(router: ConnectRouter): void {
  router.service(OrderService, {
    submitOrder: ({ order }) => ({
      receipt: {
        orderId: '019e2f6e-6b7c-7c3e-9d0a-000000000000',
        userId: order?.userId ?? '',
        amount: order?.amount ?? 0n,
        balance: 1_000_000n,
        acceptedAt: timestampFromMs(1_800_000_000_000),
        wait: { seconds: 0n, nanos: 0 },
        duration: { seconds: 0n, nanos: 0 },
      },
    }),
  });
}

const options = { port: 0, signals: [] } as const;

const servers: Readonly<Record<string, () => Promise<OrderServer>>> = {
  bare: () => serve(bare(), options),
  memory: () => serve(createOrderApp(new OrderProcessor()), options),
  batch: () => serve(createOrderApp(new OrderProcessor()), options),
  file: async () => serve(await onFile(), options),
  grpcBare: () => serveGrpc(echo, options),
  grpc: () => serveGrpc(createOrderRoutes(new OrderProcessor()), options),
};

const server = await (servers[process.argv[2] as string] as () => Promise<OrderServer>)();
process.on('disconnect', () => process.exit());
process.send?.(server.port);
