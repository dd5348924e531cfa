import { Hono, type MiddlewareHandler } from 'hono';
import { cors } from 'hono/cors';
import type { OrderProcessor } from '../core/order-processor.ts';
import { checkMethods } from '../core/runtime/checks.ts';
import { secure } from '../server/listening/secure-headers.ts';
import { type OrderAppOptions, readOptions } from './options.ts';
import { Routes } from './routes/routes.ts';

/**
 * Creates a Hono app that serves a processor over HTTP: Web-standard `fetch`, so it runs under `serve`, mounts in
 * other applications, and needs no socket in tests.
 *
 * | route | answers |
 * | --- | --- |
 * | `POST /orders` | 202 with the record and `Location` when the order is accepted; with `Prefer: wait=N` (seconds) 200 with the receipt, or the order's error, if it has come to that in time. `Idempotency-Key` is the id |
 * | `POST /orders/batch` | lines of orders in, lines of outcomes out (NDJSON), in the same order |
 * | `GET /orders` | a page of orders; `userId`, `status`, `acceptedFrom`, `acceptedBefore`, `limit`, `cursor` |
 * | `GET /orders/{id}` | one order |
 * | `DELETE /orders/{id}` | cancels it: 200 if it is, 202 while its steps end, 409 `order_settled` |
 * | `POST /orders/{id}/retry` | hands in a failed or canceled order once more: 202 with the record of the new order and `Location`, or 409 `not_failed` |
 * | `POST /orders/{id}/compensate` | runs its failed compensations once more, for operators: 200 with the record, or 409 `not_failed` |
 * | `GET /users/{userId}/balance` | the balance, now or `at` a time; 404 for an unknown user |
 * | `GET /users/{userId}/movements` | a page of the user's statement; `from`, `to`, `limit`, `cursor` |
 * | `POST /users/{userId}/hold` | holds the user's lane, for operators; `{ reason }` |
 * | `DELETE /users/{userId}/hold` | releases it: 200, or 409 `not_held`; `action=retry` or `skip` where a failed order holds it, `orderId` to release no other |
 * | `GET /holds` | a page of holds, for operators; `limit`, `cursor` |
 * | `GET /stats` | see `ProcessorStats` |
 * | `GET /health` | 503 with the reasons when shut down or about to be, the storage fails or the queue is full |
 * | `GET /livez`, `GET /readyz` | 200; 503 when shut down or about to be, the storage fails or orders are being recovered |
 * | `GET /metrics` | Prometheus text, if there are `metrics` |
 * | `GET /events` | the life cycle as Server-Sent Events; `userId`, `lastEventId` |
 * | `GET /outcomes` | all settled orders (NDJSON), and then each when it is settled, for operators; `after` |
 * | `GET /openapi.json` | all of this, as OpenAPI 3.1 |
 *
 * Every error is a {@link problem} with a code of `OrderErrorCode` or {@link HttpErrorCode}.
 *
 * @param processor - stays the caller's, to be shut down by them or by {@link serve}
 * @param options - each is checked
 * @throws TypeError or RangeError for an option that is unknown, of a wrong type or out of range
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 * import { createOrderApp } from 'order-processor/http';
 *
 * const processor = new OrderProcessor();
 * const app = createOrderApp(processor);
 * const response = await app.request('/orders', {
 *   method: 'POST',
 *   headers: { 'content-type': 'application/json', prefer: 'wait=10' },
 *   body: JSON.stringify({ id: 'o-1', userId: 'u-1', amount: 1200 }),
 * });
 * const receipt = (await response.json()) as { status: string; balance: number };
 * console.log(response.status, receipt.status, receipt.balance); // prints: 200 completed 1200
 * await processor.shutdown();
 * ```
 */
export function createOrderApp<Payload = unknown, Input = Payload, Results = unknown>(
  processor: OrderProcessor<Payload, Input, Results>,
  options: OrderAppOptions = {},
): Hono {
  checkMethods('processor', processor, ['enqueue', 'outcome', 'submitStream', 'stats', 'on']);
  const settings = readOptions(options);
  const app = new Hono();
  if (settings.cors !== undefined) app.use(securePreflight, cors(withExposed(settings.cors)));
  // Payloads are unchecked here; the processor's `schema` checks them.
  new Routes(processor as unknown as OrderProcessor, settings).addTo(app);
  return app;
}

type CorsOptions = NonNullable<OrderAppOptions['cors']>;

/** Headers of answers that a page of another origin may read. */
function withExposed(options: CorsOptions): CorsOptions {
  const own = ['Location', 'Preference-Applied', 'Retry-After'];
  const known = new Set(options.exposeHeaders?.map((name) => name.toLowerCase()));
  const missing = own.filter((name) => !known.has(name.toLowerCase()));
  return { ...options, exposeHeaders: [...(options.exposeHeaders ?? []), ...missing] };
}

/** Answers of `cors` itself lack the headers that all answers have. */
const securePreflight: MiddlewareHandler = async ({ req, res }, next) => {
  if (req.method === 'OPTIONS') {
    for (const [name, value] of Object.entries(secure)) res.headers.set(name, value);
  }
  await next();
};
