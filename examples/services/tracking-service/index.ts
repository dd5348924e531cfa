/**
 * Orders that can be tracked from pending to completed, kept in a file: a restart goes on where the process
 * was ended, and forgets nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Hono } from 'hono';
import { OrderProcessor, type OrderRecord, type Step } from 'order-processor';
import {
  HttpError,
  problem,
  readJson,
  refuseOtherMethods,
  serve,
  toMinorUnits,
} from 'order-processor/http';
import { SqliteStorage } from 'order-processor/sqlite';
import { z } from 'zod';

/** A whole number of the environment. */
function setting(name: string, fallback: number, least: number): number {
  const text = process.env[name] || String(fallback);
  if (/^\d{1,9}$/.test(text) && Number(text) >= least) return Number(text);
  console.error(`Expected ${name} to be an integer from ${least} up, got ${JSON.stringify(text)}`);
  process.exit(1);
}

const port = setting('PORT', 8080, 0);
const workers = setting('WORKERS', 5, 1);
const queue = setting('QUEUE', 100, 0);
const workMs = setting('WORK_MS', 200, 0);

const body = z.strictObject({
  // It becomes a part of a path.
  id: z
    .string()
    .regex(/^[\w-]{1,100}$/)
    .optional(),
  customer: z.string().min(1).max(256),
  amount: z
    .number()
    .positive()
    .transform((amount) => toMinorUnits(amount)),
  items: z.array(z.string().min(1)).default([]),
});

const query = z.strictObject({
  customer: z.string().min(1).max(256).optional(),
  status: z.enum(['pending', 'processing', 'completed', 'failed', 'canceled']).optional(),
  limit: z
    .string()
    .regex(/^\d{1,3}$/)
    .transform(Number)
    .pipe(z.int().min(1))
    .optional(),
  cursor: z.string().optional(),
});

interface Parcel {
  readonly items: readonly string[];
}

const pack: Step<Parcel> = {
  name: 'pack',
  run: (_order, { signal }) => sleep(workMs, undefined, { signal }),
};

const ship: Step<Parcel> = {
  name: 'ship',
  after: 'pack',
  // After a restart it may run again: the shipping service must know the `idempotencyKey`.
  run: (_order, { signal }) => sleep(workMs, undefined, { signal }),
};

const processor = new OrderProcessor<Parcel>({
  storage: await SqliteStorage.open(process.env.FILE || 'orders.db'),
  concurrency: workers,
  capacity: workers + queue,
  steps: [pack, ship],
});

const app = new Hono();

app.post('/orders', async ({ req }) => {
  const { id, customer, amount, items } = await readJson(req.raw, { schema: body });
  // Resolves when the order is on disk. A customer's orders go one at a time.
  const record = await processor.enqueue({ id, userId: customer, amount, payload: { items } });
  const headers = { location: `/orders/${record.id}` };
  return Response.json(viewOf(record), { status: 201, headers });
});

app.get('/orders', async ({ req }) => {
  const { success, data, error } = query.safeParse(req.query());
  if (!success) throw new HttpError(400, 'bad_request', z.prettifyError(error));
  const { customer: userId, ...rest } = data;
  const { orders, cursor } = await processor.orders({ userId, ...rest }).catch((error) => {
    throw error instanceof RangeError ? new HttpError(400, 'bad_request', error.message) : error;
  });
  return Response.json({ orders: orders.map(viewOf), cursor });
});

app.get('/orders/:id', async ({ req }) => {
  const record = await processor.order(req.param('id'));
  if (record === undefined) throw new HttpError(404, 'not_found', 'There is no such order');
  return Response.json(viewOf(record));
});

app.get('/health', () => {
  const { state, storage, unsettled, capacity, queueLength, activeWorkers } = processor.stats();
  const isHealthy = state === 'running' && storage === 'ready' && unsettled < capacity;
  const health = {
    status: isHealthy ? 'healthy' : 'unhealthy',
    storage,
    queue_length: queueLength,
    active_workers: activeWorkers,
  };
  if (isHealthy) return Response.json(health);
  return Response.json(health, { status: 503, headers: { 'retry-after': '1' } });
});

refuseOtherMethods(app);
app.notFound(() => problem(new HttpError(404, 'not_found', 'There is no such route')));
app.onError((error) => {
  const response = problem(error);
  if (response.status === 500) console.error(error);
  return response;
});

function viewOf(record: OrderRecord<Parcel>) {
  const { id, userId, amount, payload, status, acceptedAt, startedAt, settledAt, code } = record;
  return {
    id,
    customer: userId,
    // The double that prints as the decimal that came in.
    amount: amount / 100,
    ...payload,
    status,
    created_at: timeOf(acceptedAt),
    started_at: timeOf(startedAt),
    settled_at: timeOf(settledAt),
    error: code,
  };
}

function timeOf(unixMs: number | undefined): string | undefined {
  return unixMs === undefined ? undefined : new Date(unixMs).toISOString();
}

const server = await serve(app, { processor, port });
console.log(`Listening on ${server.url}`);
await processor.ready;
console.log(`Took up ${processor.recovered} orders`);
