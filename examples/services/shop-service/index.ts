/**
 * A shop that takes orders over HTTP and processes them with a pool of workers, urgent ones first, behind a
 * buffer that refuses what it has no room for.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Hono } from 'hono';
import {
  OrderError,
  OrderProcessor,
  type OrderRecord,
  prioritize,
  type Rule,
  type Step,
  urgentAbove,
} from 'order-processor';
import {
  HttpError,
  problem,
  readJson,
  refuseOtherMethods,
  serve,
  toMinorUnits,
} from 'order-processor/http';
import { z } from 'zod';

/** A whole number of the environment. */
function setting(name: string, fallback: number, least: number): number {
  const text = process.env[name] || String(fallback);
  if (/^\d{1,9}$/.test(text) && Number(text) >= least) return Number(text);
  console.error(`Expected ${name} to be an integer from ${least} up, got ${JSON.stringify(text)}`);
  process.exit(1);
}

const port = setting('PORT', 8080, 0);
const workers = setting('WORKERS', 10, 1);
const buffer = setting('BUFFER', 100, 0);
const workMs = setting('WORK_MS', 100, 0);

const text = z.string().trim().min(1).max(1_000);

const body = z.strictObject({
  id: z.string().min(1).max(256).optional(),
  amount: z
    .number()
    .positive()
    .transform((amount) => toMinorUnits(amount)),
  items: z.array(text).min(1),
  customer: text,
  address: text,
  // Every new order is pending.
  status: z.literal('pending').default('pending'),
  priority: z.literal([1, 2, 3]).default(2),
  notes: z.string().trim().max(1_000).optional(),
});

type Purchase = Omit<z.infer<typeof body>, 'id' | 'amount' | 'status'>;

const priorities = { 1: 'high', 2: 'medium', 3: 'low' } as const;

const expedited: Rule<Purchase> = ({ payload }) =>
  payload.priority === 1 && prioritize('high', 'expedited');

const fulfil: Step<Purchase> = {
  name: 'fulfil',
  async run({ amount, payload }, { signal }) {
    await sleep(workMs, undefined, { signal });
    if (amount > 1_000_000) throw new OrderError('amount_too_large', 'More than 10 000');
    if (payload.items.length > 50) throw new OrderError('too_many_items', 'More than 50 items');
  },
};

const processor = new OrderProcessor<Purchase>({
  concurrency: workers,
  capacity: workers + buffer,
  rules: [urgentAbove(100_000, 'priority_processing'), expedited],
  steps: [fulfil],
});
processor.on('completed', ({ orderId }) => console.log('completed', JSON.stringify(orderId)));
processor.on('failed', ({ orderId, code }) => console.log('failed', JSON.stringify(orderId), code));

const app = new Hono();

app.post('/orders', async ({ req }) => {
  const {
    id = crypto.randomUUID(),
    amount,
    status: _,
    ...payload
  } = await readJson(req.raw, { schema: body });
  // Each order is a user of its own, so that an urgent one overtakes the same customer's others too.
  const order = { id, userId: id, amount, priority: priorities[payload.priority], payload };
  // Resolves when there was room for it, rejects with `queue_full` otherwise.
  return Response.json(viewOf(await processor.enqueue(order)), { status: 201 });
});

app.get('/stats', () => {
  const { completed, failed, canceled, durationMs, ...stats } = processor.stats();
  return Response.json({
    total_processed: completed + failed + canceled,
    success_count: completed,
    error_count: failed + canceled,
    // Of the last one to two minutes.
    average_process_time_ms: durationMs.mean,
    active_workers: stats.activeWorkers,
    queue_length: stats.queueLength,
    uptime_seconds: stats.uptimeMs / 1_000,
  });
});

app.get('/health', () => {
  const { state, unsettled, capacity, queueLength } = processor.stats();
  const healthy = state === 'running' && unsettled < capacity;
  const health = {
    status: healthy ? 'healthy' : 'unhealthy',
    timestamp: new Date().toISOString(),
    pool: { healthy, queue_length: queueLength, workers },
  };
  if (healthy) return Response.json(health);
  return Response.json(health, { status: 503, headers: { 'retry-after': '1' } });
});

refuseOtherMethods(app);
app.notFound(() => problem(new HttpError(404, 'not_found', 'There is no such route')));
app.onError((error) => {
  const response = problem(error);
  if (response.status === 500) console.error(error);
  return response;
});

/** An order as it was taken, the same for each repetition. */
function viewOf({ id, amount, payload, labels, acceptedAt }: OrderRecord<Purchase>) {
  return {
    id,
    // The double that prints as the decimal that came in.
    amount: amount / 100,
    ...payload,
    status: 'pending',
    labels,
    created_at: new Date(acceptedAt).toISOString(),
  };
}

const server = await serve(app, { processor, port });
console.log(`Listening on ${server.url}`);
