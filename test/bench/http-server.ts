/**
 * The server of one contender, a process of its own: its parent makes the load. Says its port when it
 * listens; ends with its parent.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Hono } from 'hono';
import { OrderProcessor } from 'order-processor';
import { createOrderApp, type FetchApp, serve } from 'order-processor/http';
import { SqliteStorage } from 'order-processor/sqlite';
import { orderInput } from '../../src/http/schemas.ts';

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

const apps: Readonly<Record<string, () => FetchApp | Promise<FetchApp>>> = {
  bare,
  memory: () => createOrderApp(new OrderProcessor()),
  batch: () => createOrderApp(new OrderProcessor()),
  file: onFile,
};

const make = apps[process.argv[2] as string] as () => FetchApp | Promise<FetchApp>;
const server = await serve(await make(), { port: 0, signals: [] });
process.on('disconnect', () => process.exit());
process.send?.(server.port);
