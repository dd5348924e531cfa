/**
 * Takes orders as fast as they come, as long as there is room in its queue, and says at once when there is
 * none. Metrics say how full it is.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Hono } from 'hono';
import { OrderError, OrderProcessor, type Step } from 'order-processor';
import {
  HttpError,
  problem,
  readJson,
  refuseOtherMethods,
  serve,
  toMinorUnits,
} from 'order-processor/http';
import { observe } from 'order-processor/prometheus';
import { Counter, Gauge, Registry } from 'prom-client';
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
const workMs = setting('WORK_MS', 50, 0);
const deadlineMs = setting('DEADLINE_MS', 10_000, 1);

const body = z.strictObject({
  id: z.string().min(1).max(256),
  value: z.number().transform((value) => toMinorUnits(value)),
});

const work: Step = {
  name: 'work',
  async run({ amount }, { signal }) {
    await sleep(workMs, undefined, { signal });
    if (amount <= 0) throw new OrderError('no_value', 'The value is not above 0');
  },
};

const processor = new OrderProcessor({
  concurrency: workers,
  capacity: workers + queue,
  steps: [work],
});

const registry = new Registry();
const registers = [registry];
new Counter({
  name: 'orders_processed',
  help: 'Orders that were processed.',
  registers,
  collect() {
    this.reset();
    this.inc(processor.stats().completed);
  },
});
new Counter({
  name: 'orders_failed',
  help: 'Orders that were taken and could not be processed.',
  registers,
  collect() {
    this.reset();
    const { failed, canceled } = processor.stats();
    this.inc(failed + canceled);
  },
});
new Gauge({
  name: 'queue_depth',
  help: 'Orders that wait for a worker.',
  registers,
  collect() {
    this.set(processor.stats().queueLength);
  },
});
// Beside these, all that the library counts and measures, for the dashboard.
observe(processor, { registry });

const app = new Hono();

app.post('/submit', async ({ req }) => {
  const { id, value } = await readJson(req.raw, { schema: body });
  await processor.enqueue({ id, userId: id, amount: value });
  return Response.json({ id, status: 'accepted' }, { status: 202 });
});

app.get('/metrics', async () => {
  const headers = { 'content-type': registry.contentType };
  return new Response(await registry.metrics(), { headers });
});

refuseOtherMethods(app);
app.notFound(() => problem(new HttpError(404, 'not_found', 'There is no such route')));
app.onError((error) => {
  const response = problem(error);
  if (response.status === 500) console.error(error);
  return response;
});

const server = await serve(app, {
  processor,
  port,
  shutdownTimeoutMs: deadlineMs,
  onClosed: (summary) => console.log('Closed:', JSON.stringify(summary)),
});
console.log(`Listening on ${server.url}`);
