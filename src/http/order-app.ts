import { type Context, Hono, type MiddlewareHandler } from 'hono';
import { cors } from 'hono/cors';
import { checkMethods } from '../checks.ts';
import { OrderError } from '../errors.ts';
import {
  type Access,
  checkAccess,
  checkMayActFor,
  checkOperator,
  everything,
  mayActFor,
  unauthorized,
} from '../face/access.ts';
import { badRequest, HttpError, notFound } from '../face/http-error.ts';
import type { Order } from '../order.ts';
import type { OrderProcessor } from '../order-processor.ts';
import type { OrderOutcome, OrderRecord } from '../outcome.ts';
import { answer, json, problem, problemOf, secure } from './answers.ts';
import { batch } from './batch.ts';
import { readStrictly } from './body.ts';
import { health, liveness, readiness } from './health.ts';
import { LiveEvents } from './live-events.ts';
import { methodsOf, refuseAllBut, wrongMethod } from './methods.ts';
import { openApi } from './openapi.ts';
import { type AppSettings, type OrderAppOptions, readOptions } from './options.ts';
import { bySignal } from './patience.ts';
import { idempotencyKey, query, waitMs } from './request.ts';
import { check, eventsQuery, listQuery, noQuery, orderInput } from './schemas.ts';

/** Answers one request of a client that may do so much. */
type Handler = (request: Request, access: Access, context: Context) => Response | Promise<Response>;

/**
 * The HTTP face of a processor, as a Hono app: Web-standard `fetch`, so it runs under `serve`, mounts in
 * other applications, and needs no socket in tests.
 *
 * | route | answers |
 * | --- | --- |
 * | `POST /orders` | 202 with the record and `Location` when the order is accepted; with `Prefer: wait=N` (seconds) 200 with the receipt, or the order's error, if it has come to that in time. `Idempotency-Key` is the id |
 * | `POST /orders/batch` | lines of orders in, lines of outcomes out (NDJSON), in the same order |
 * | `GET /orders` | a page of orders; `userId`, `status`, `acceptedFrom`, `acceptedBefore`, `limit`, `cursor` |
 * | `GET /orders/{id}` | one order |
 * | `DELETE /orders/{id}` | cancels it: 200 if it is, 202 while its steps end, 409 `order_settled` |
 * | `GET /users/{userId}/balance` | the balance; 404 for an unknown user |
 * | `GET /stats` | see `ProcessorStats` |
 * | `GET /health` | 503 with the reasons when shut down, the storage fails or the queue is full |
 * | `GET /livez`, `GET /readyz` | 200; 503 when shut down, the storage fails or orders are being recovered |
 * | `GET /metrics` | Prometheus text, if there are `metrics` |
 * | `GET /events` | the life cycle as Server-Sent Events; `userId` |
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
export function createOrderApp<Payload = unknown, Input = Payload>(
  processor: OrderProcessor<Payload, Input>,
  options: OrderAppOptions = {},
): Hono {
  checkMethods('processor', processor, ['enqueue', 'outcome', 'submitStream', 'stats', 'on']);
  const settings = readOptions(options);
  const app = new Hono();
  if (settings.cors !== undefined) app.use(securePreflight, cors(settings.cors));
  // Payloads are strangers' here, and the processor's `schema` checks them.
  new Routes(processor as unknown as OrderProcessor, settings).addTo(app);
  return app;
}

/** What `cors` answers itself has none of the headers that all answers have. */
const securePreflight: MiddlewareHandler = async ({ req, res }, next) => {
  if (req.method === 'OPTIONS') {
    for (const [name, value] of Object.entries(secure)) res.headers.set(name, value);
  }
  await next();
};

class Routes {
  readonly #processor: OrderProcessor;
  readonly #settings: AppSettings;
  readonly #events: LiveEvents;
  readonly #openApi: string;

  constructor(processor: OrderProcessor, settings: AppSettings) {
    this.#processor = processor;
    this.#settings = settings;
    this.#events = new LiveEvents(processor, settings.events);
    this.#openApi = JSON.stringify(openApi(settings));
  }

  addTo(app: Hono): void {
    const processor = this.#processor;
    this.#add(app, 'POST', '/orders', (request, access) => this.#postOrder(request, access));
    this.#add(app, 'GET', '/orders', (request, access) => this.#listOrders(request, access));
    this.#add(app, 'GET', '/orders/:id', (request, access, context) =>
      this.#getOrder(request, access, context.req.param('id') as string),
    );
    this.#add(app, 'DELETE', '/orders/:id', (request, access, context) =>
      this.#deleteOrder(request, access, context.req.param('id') as string),
    );
    this.#add(app, 'GET', '/users/:userId/balance', (request, access, context) =>
      this.#getBalance(request, access, context.req.param('userId') as string),
    );
    this.#add(
      app,
      'GET',
      '/stats',
      forOperators(() => json(processor.stats())),
    );
    this.#add(
      app,
      'GET',
      '/metrics',
      forOperators(() => this.#getMetrics()),
    );
    this.#add(app, 'GET', '/events', (request, access) => this.#getEvents(request, access));
    this.#addOpen(app, '/health', () => health(processor.stats()));
    this.#addOpen(app, '/readyz', () => readiness(processor.stats()));
    this.#addOpen(app, '/livez', liveness);
    this.#addOpen(app, '/openapi.json', () =>
      answer(this.#openApi, 200, { 'content-type': 'application/json' }),
    );
    this.#addBatch(app);
    app.notFound(({ req }) => this.#refuse(notFound('There is no such route'), req.raw));
  }

  /**
   * `/orders/batch` is also the path of an order of that name. One route for both: where a word and a parameter
   * stand in the same place, Hono takes its slow router for all routes.
   */
  #addBatch(app: Hono): void {
    const allowed = methodsOf(app);
    const handle = this.#guard((request, access) =>
      batch(this.#processor, request, access, this.#settings),
    );
    refuseAllBut(app, allowed, (methods, context) => {
      const isBatch = context.req.param('id') === 'batch';
      if (isBatch && context.req.method === 'POST') return handle(context);
      return wrongMethod(isBatch ? [...methods, 'POST'] : methods, context.req.raw);
    });
  }

  #add(app: Hono, method: string, path: string, handler: Handler): void {
    app.on(method, path, this.#guard(handler));
  }

  #guard(handler: Handler): (context: Context) => Promise<Response> {
    const { authenticate } = this.#settings;
    return async (context) => {
      const request = context.req.raw;
      try {
        const access = authenticate === undefined ? everything : await authenticate(request);
        if (access === undefined || access === null) throw unauthorized();
        return await handler(request, checkAccess(access), context);
      } catch (error) {
        return this.#refuse(error, request);
      }
    };
  }

  /** For probes, which have no credentials. */
  #addOpen(app: Hono, path: string, handler: () => Response): void {
    app.get(path, ({ req }) => {
      try {
        query(req.raw, noQuery);
        return handler();
      } catch (error) {
        return this.#refuse(error, req.raw);
      }
    });
  }

  #refuse(error: unknown, request: Request): Response {
    const { statuses, onError } = this.#settings;
    // A refusal is what comes out as an error here: outcomes are answered, not thrown.
    const response = problemOf(error, statuses, 'refused');
    if (response.status === 500) onError(error, request);
    return response;
  }

  async #postOrder(request: Request, access: Access): Promise<Response> {
    query(request, noQuery);
    const { bodyLimitBytes, readTimeoutMs, maxWaitMs } = this.#settings;
    const key = idempotencyKey(request);
    const ms = Math.min(waitMs(request), maxWaitMs);
    const body = await readStrictly(request, bodyLimitBytes, readTimeoutMs);
    const order = withKey(check(orderInput, body, 'invalid_order'), key);
    checkMayActFor(access, order.userId);
    const record = await this.#accept(request, order as Order);
    const headers: Record<string, string> = { location: `orders/${encodeURIComponent(record.id)}` };
    if (ms === 0) return json(record, 202, headers);
    headers['preference-applied'] = `wait=${ms / 1_000}`;
    const outcome = await this.#outcome(request, record.id, ms);
    if (outcome === undefined) {
      return json((await this.#processor.order(record.id)) ?? record, 202, headers);
    }
    return this.#answerOutcome(outcome, request, headers);
  }

  #answerOutcome(
    outcome: OrderOutcome,
    request: Request,
    headers: Readonly<Record<string, string>>,
  ): Response {
    if (outcome.status === 'completed') return json(outcome, 200, headers);
    const { error, status } = outcome;
    const response = problemOf(error, this.#settings.statuses, status);
    if (error.code === 'internal') this.#settings.onError(error, request);
    for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
    return response;
  }

  #accept(request: Request, order: Order): Promise<OrderRecord> {
    const { acceptTimeoutMs } = this.#settings;
    const late = (): Error =>
      new OrderError('queue_full', 'No room within the time for accepting', {
        orderId: order.id,
        userId: order.userId,
        retryAfterMs: acceptTimeoutMs,
      });
    return bySignal(request, acceptTimeoutMs, late, (signal) =>
      this.#processor.enqueue(order, { signal }),
    );
  }

  /** What the order has come to within a time; it goes on, whoever waits. */
  async #outcome(request: Request, id: string, ms: number): Promise<OrderOutcome | undefined> {
    const controller = new AbortController();
    const end = (): void => controller.abort();
    const timer = setTimeout(end, ms);
    request.signal.addEventListener('abort', end);
    try {
      return await this.#processor.outcome(id, { signal: controller.signal });
    } catch (error) {
      if (controller.signal.aborted) return undefined;
      throw error;
    } finally {
      clearTimeout(timer);
      request.signal.removeEventListener('abort', end);
    }
  }

  async #listOrders(request: Request, access: Access): Promise<Response> {
    const wanted = query(request, listQuery);
    checkMayActFor(access, wanted.userId);
    try {
      return json(await this.#processor.orders(wanted));
    } catch (error) {
      // A cursor that is none.
      throw error instanceof RangeError ? badRequest(error.message) : error;
    }
  }

  async #getOrder(request: Request, access: Access, id: string): Promise<Response> {
    query(request, noQuery);
    return json(await this.#find(access, id));
  }

  async #deleteOrder(request: Request, access: Access, id: string): Promise<Response> {
    query(request, noQuery);
    await this.#find(access, id);
    const isCanceled = await this.#processor.cancel(id);
    const record = await this.#find(access, id);
    const { status } = record;
    if (status === 'canceled') return json(record);
    if (isCanceled) return json(record, 202);
    throw new HttpError(
      409,
      'order_settled',
      `An order that is ${status} can no longer be canceled`,
    );
  }

  /** An order of somebody else's is as good as none. */
  async #find(access: Access, id: string): Promise<OrderRecord> {
    const record = await this.#processor.order(id);
    if (record === undefined || !mayActFor(access, record.userId)) {
      throw notFound('There is no such order');
    }
    return record;
  }

  async #getBalance(request: Request, access: Access, userId: string): Promise<Response> {
    query(request, noQuery);
    checkMayActFor(access, userId);
    const balance = await this.#processor.balance(userId);
    if (balance === undefined) throw notFound('There is no such user');
    return json({ userId, balance });
  }

  async #getMetrics(): Promise<Response> {
    const { metrics } = this.#settings;
    if (metrics === undefined) throw notFound('There are no metrics');
    return answer(await metrics.metrics(), 200, { 'content-type': metrics.contentType });
  }

  #getEvents(request: Request, access: Access): Response {
    const { userId } = query(request, eventsQuery);
    if (userId === undefined) checkOperator(access);
    else checkMayActFor(access, userId);
    const lastEventId = request.headers.get('last-event-id') ?? undefined;
    // Who asks for the head alone would never end a stream.
    const isHead = request.method === 'HEAD';
    return answer(isHead ? null : this.#events.open({ userId, lastEventId }), 200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'x-accel-buffering': 'no',
    });
  }
}

function forOperators(handler: () => Response | Promise<Response>): Handler {
  return (request, access) => {
    checkOperator(access);
    query(request, noQuery);
    return handler();
  };
}

/** The header and the body may both name the id, if they agree. */
function withKey<T extends { id?: string | undefined }>(order: T, key: string | undefined): T {
  if (key === undefined) return order;
  if (order.id !== undefined && order.id !== key) {
    throw badRequest('Expected `Idempotency-Key` and `id` to be the same');
  }
  return { ...order, id: key };
}
