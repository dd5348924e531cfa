/**
 * Deliveries over HTTP: payment, vendor and courier work at once, the first that fails cancels the others,
 * and an answer says how each step ended.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Hono } from 'hono';
import {
  isOrderError,
  OrderError,
  OrderProcessor,
  type Step,
  type StepResult,
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

const delayMs = z.int().min(0).max(60_000);

const body = z.strictObject({
  order_id: z.string().min(1).max(256),
  amount: z
    .number()
    .default(0)
    .transform((amount) => toMinorUnits(amount)),
  fail_step: z.enum(['payment', 'vendor', 'courier']).optional(),
  delay_ms: z
    .strictObject({
      payment: delayMs.default(150),
      vendor: delayMs.default(200),
      courier: delayMs.default(100),
    })
    .prefault({}),
});

type Delivery = Pick<z.infer<typeof body>, 'fail_step' | 'delay_ms'>;

const payment: Step<Delivery> = {
  name: 'payment',
  async run({ amount, payload }, { signal }) {
    await sleep(payload.delay_ms.payment, undefined, { signal });
    if (amount <= 0 || payload.fail_step === 'payment') {
      throw new OrderError('payment_declined', 'The payment was declined', { retryable: false });
    }
  },
};

const vendor: Step<Delivery> = {
  name: 'vendor',
  async run({ payload }, { signal }) {
    await sleep(payload.delay_ms.vendor, undefined, { signal });
    if (payload.fail_step === 'vendor') {
      throw new OrderError('vendor_unavailable', 'The vendor does not answer');
    }
  },
};

const courier: Step<Delivery> = {
  name: 'courier',
  concurrency: 5,
  async run({ payload }, { signal }) {
    await sleep(payload.delay_ms.courier, undefined, { signal });
    if (payload.fail_step === 'courier') throw new OrderError('no_courier', 'No courier is free');
  },
};

const processor = new OrderProcessor<Delivery>({
  steps: [payment, vendor, courier],
  timeoutMs: 10_000,
  // As many workers as orders, so that these wait for couriers alone and the time limit is the request's.
  capacity: 1_000,
  concurrency: 1_000,
});

const app = new Hono();

app.post('/order', async ({ req: { raw: request } }) => {
  const { order_id: id, amount, ...payload } = await readJson(request, { schema: body });
  const order = { id, userId: id, amount, payload };
  const { steps } = await processor.submit(order, { signal: request.signal });
  log(200, 'ok', id);
  return Response.json({ status: 'ok', order_id: id, steps: steps.map(stepOf) });
});
refuseOtherMethods(app, failure);
app.notFound(() => failure(new HttpError(404, 'not_found', 'There is no such route')));
app.onError(failure);

/** By default, a `problem` answers an order that has failed and is not tried again with 422 or 409. */
const statuses = { vendor_unavailable: 503, no_courier: 503, timeout: 504, canceled: 408 };

/** `problem` gives the status and the headers. The body is this service's own. */
function failure(error: Error): Response {
  const { status, headers } = problem(error, statuses);
  headers.set('content-type', 'application/json');
  const { orderId = null, steps = [] } = isOrderError(error) ? error : {};
  const isKnown = isOrderError(error) || error instanceof HttpError;
  const kind = isKnown ? error.code : 'internal';
  const message = isKnown && steps.length === 0 ? error.message : 'order failed';
  if (kind === 'internal') console.error(error);
  log(status, kind, orderId);
  const body = { status: 'error', order_id: orderId, steps: steps.map(stepOf) };
  return Response.json({ ...body, error: { kind, message } }, { status, headers });
}

function stepOf({ name, status, durationMs, code }: StepResult) {
  return { name, status, duration_ms: durationMs, detail: code };
}

/** One line for each answer, even if its client has gone. */
function log(status: number, kind: string, orderId: string | null): void {
  console.log(status, kind, JSON.stringify(orderId));
}

/** Where it runs, for tests. */
export const server = await serve(app, { processor, port });
console.log(`Listening on ${server.url}`);
