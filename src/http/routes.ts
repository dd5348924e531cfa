import type { Context, Hono, MiddlewareHandler } from 'hono';
import type { HandedIn } from '../core/admission/enqueued.ts';
import type { Order } from '../core/order/order.ts';
import { OrderError } from '../core/order/order-error.ts';
import type { OrderOutcome } from '../core/order/outcome.ts';
import type { OrderProcessor } from '../core/order-processor.ts';
import { nextOrderId } from '../core/runtime/uuid-v7.ts';
import { type Access, checkMayActFor, checkOperator, everything } from '../server/access.ts';
import { ClientIds } from '../server/client-ids.ts';
import { readerOf } from '../server/events/reader-permits.ts';
import { badRequest, notFound } from '../server/http-error.ts';
import { aboutToCut } from '../server/listening/server-draining.ts';
import { accessOf, cancelOrder, findOrder, withoutCause } from '../server/order-access.ts';
import { answer, json, problem } from './answers.ts';
import { batch } from './batch.ts';
import { health, liveness, readiness } from './health.ts';
import { LiveEvents } from './live-events.ts';
import { methodsOf, refuseAllBut, wrongMethod } from './methods.ts';
import { openApi } from './openapi/openapi.ts';
import {
  check,
  eventsQuery,
  listQuery,
  noQuery,
  orderInput,
  orderQuery,
} from './openapi/schemas.ts';
import type { AppSettings } from './options.ts';
import { Ending } from './outcome-waits.ts';
import { checkUrl, idempotencyKey, query, waitMs } from './request/request.ts';
import { readStrictly } from './request/request-body.ts';
import { bySignal } from './request/request-timeouts.ts';

/** Answers one request of a client that may do so much. */
type Handler = (
  request: Request,
  access: Access,
  context: Context,
  ids: ClientIds,
) => Response | Promise<Response>;

/** The text that Hono answers where there is no route. */
const honosNotFound = '404 Not Found';

/** The routes of an order app. */
export class Routes {
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
    this.#add(app, 'POST', '/orders', (request, access, _, ids) =>
      this.#postOrder(request, access, ids),
    );
    this.#add(app, 'GET', '/orders', (request, access, _, ids) =>
      this.#listOrders(request, access, ids),
    );
    this.#add(app, 'GET', '/orders/:id', (request, _, context, ids) =>
      this.#getOrder(request, ids, context.req.param('id') as string),
    );
    this.#add(app, 'DELETE', '/orders/:id', (request, _, context, ids) =>
      this.#deleteOrder(request, ids, context.req.param('id') as string),
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
    this.#add(app, 'GET', '/events', (request, access, _, ids) =>
      this.#getEvents(request, access, ids),
    );
    this.#addOpen(app, '/health', () => health(processor));
    this.#addOpen(app, '/readyz', () => readiness(processor));
    this.#addOpen(app, '/livez', liveness);
    this.#addOpen(app, '/openapi.json', () =>
      answer(this.#openApi, 200, { 'content-type': 'application/json' }),
    );
    this.#addBatch(app);
    app.notFound(({ req }) => this.#noRoute(req.raw));
    // `route()` of a host takes the routes alone. Not by `all()`: each request would match two routes then, and
    // those that match one are quicker.
    app.routes.push({ basePath: '/', path: '/*', method: 'ALL', handler: this.#whereMounted });
  }

  #noRoute(request: Request): Response {
    return this.#refuse(notFound('There is no such route'), request);
  }

  /** What Hono itself has to say where neither this app nor its host has a route. */
  readonly #whereMounted: MiddlewareHandler = async (context, next) => {
    await next();
    const { res } = context;
    const isText =
      res.status === 404 && res.headers.get('content-type')?.startsWith('text/plain') === true;
    // A host's own route may answer so as well.
    if (!isText || (await res.clone().text()) !== honosNotFound) return;
    context.res = this.#noRoute(context.req.raw);
  };

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
      let ids = allIds;
      try {
        checkUrl(request);
        // Nothing is awaited for nothing: most requests are over in a moment.
        const access =
          authenticate === undefined ? everything : await accessOf(authenticate, () => request);
        if (authenticate !== undefined) ids = new ClientIds(access);
        return await handler(request, access, context, ids);
      } catch (error) {
        return this.#refuse(error, request, ids);
      }
    };
  }

  /** For probes, which have no credentials, and may have a query against caches. */
  #addOpen(app: Hono, path: string, handler: () => Response): void {
    app.get(path, ({ req }) => {
      try {
        return handler();
      } catch (error) {
        return this.#refuse(error, req.raw);
      }
    });
  }

  #refuse(error: unknown, request: Request, ids = allIds): Response {
    const { statuses, onError } = this.#settings;
    const response = problem(ids.error(error), statuses);
    if (response.status === 500) onError(error, request);
    return response;
  }

  async #postOrder(request: Request, access: Access, ids: ClientIds): Promise<Response> {
    query(request, noQuery);
    const { bodyLimitBytes, readTimeoutMs, maxWaitMs } = this.#settings;
    const key = idempotencyKey(request);
    const ms = Math.min(waitMs(request), maxWaitMs);
    const body = await readStrictly(request, bodyLimitBytes, readTimeoutMs);
    const given = withKey(check(orderInput, body, 'invalid_order'), key) as Order;
    checkMayActFor(access, given.userId);
    const order = ids.order(given);
    if (ms > 0) {
      return this.#acceptAndWait(request, { ...order, id: order.id ?? nextOrderId() }, ms, ids);
    }
    const { record } = await this.#accept(request, order);
    return json(ids.record(withoutCause(record)), 202, { location: locationOf(record, ids) });
  }

  async #acceptAndWait(
    request: Request,
    order: Order & { readonly id: string },
    ms: number,
    ids: ClientIds,
  ): Promise<Response> {
    const headers = {
      location: locationOf(order, ids),
      'preference-applied': `wait=${ms / 1_000}`,
    };
    // Not by the id: it may stand for another order by then.
    const ending = new Ending();
    const accepted = await this.#accept(request, order, ending.tell);
    const outcome = await ending.within(ms, request.signal, aboutToCut(this.#processor).signal);
    accepted.leave();
    if (outcome === undefined) return json(ids.record(withoutCause(accepted.now())), 202, headers);
    return this.#answerOutcome(outcome, request, ids, headers);
  }

  #answerOutcome(
    outcome: OrderOutcome,
    request: Request,
    ids: ClientIds,
    headers: Readonly<Record<string, string>>,
  ): Response {
    if (outcome.status === 'completed') return json(ids.receipt(outcome), 200, headers);
    const { error } = outcome;
    const response = problem(ids.error(error), this.#settings.statuses);
    if (error.code === 'internal') this.#settings.onError(error, request);
    for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
    return response;
  }

  #accept(
    request: Request,
    order: Order,
    tell?: (outcome: OrderOutcome) => void,
  ): Promise<HandedIn> {
    const { acceptTimeoutMs } = this.#settings;
    const late = (): Error =>
      new OrderError('queue_full', 'No room within the time for accepting', {
        orderId: order.id,
        userId: order.userId,
        retryAfterMs: acceptTimeoutMs,
      });
    const unanswered = (): Error =>
      new OrderError('storage_failed', 'The storage does not say whether it keeps the order', {
        orderId: order.id,
        userId: order.userId,
      });
    const enqueue = (signal: AbortSignal): Promise<HandedIn> =>
      this.#processor.handIn(order, { signal }, tell);
    return bySignal(request, acceptTimeoutMs, late, enqueue, unanswered);
  }

  async #listOrders(request: Request, access: Access, ids: ClientIds): Promise<Response> {
    const wanted = query(request, listQuery);
    checkMayActFor(access, wanted.userId);
    const { orders, cursor } = await this.#processor.orders(wanted);
    return json({ orders: orders.map((record) => ids.record(withoutCause(record))), cursor });
  }

  async #getOrder(request: Request, ids: ClientIds, id: string): Promise<Response> {
    const { userId } = query(request, orderQuery);
    return json(ids.record(withoutCause(await findOrder(this.#processor, ids, { id, userId }))));
  }

  async #deleteOrder(request: Request, ids: ClientIds, id: string): Promise<Response> {
    const { userId } = query(request, orderQuery);
    const record = await cancelOrder(this.#processor, ids, { id, userId });
    return json(ids.record(withoutCause(record)), record.status === 'canceled' ? 200 : 202);
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

  #getEvents(request: Request, access: Access, ids: ClientIds): Response {
    const { userId, ...asked } = query(request, eventsQuery);
    if (userId === undefined) checkOperator(access);
    else checkMayActFor(access, userId);
    // The header is the later one: the browser sets it when it comes back by itself, to the same URL.
    const lastEventId = request.headers.get('last-event-id') ?? asked.lastEventId;
    // Who asks for the head alone would never end a stream.
    const isHead = request.method === 'HEAD';
    const isScoped = userId !== undefined && ids.isScoped;
    const reader = readerOf(access, userId);
    const wanted = { userId, lastEventId, isScoped, reader };
    const events = isHead ? null : this.#events.open(wanted);
    return answer(events, 200, {
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

const allIds = new ClientIds(everything);

/** Relative, so that it is right wherever the app is mounted. */
function locationOf({ id, userId }: { id: string; userId: string }, ids: ClientIds): string {
  const path = `orders/${encodeURIComponent(ids.id(id, userId))}`;
  const isNamed = !ids.isScoped || ids.onlyUser !== undefined;
  return isNamed ? path : `${path}?${new URLSearchParams({ userId })}`;
}

/** The header and the body may both name the id, if they agree. */
function withKey<T extends { id?: string | undefined }>(order: T, key: string | undefined): T {
  if (key === undefined) return order;
  if (order.id !== undefined && order.id !== key) {
    throw badRequest('Expected `Idempotency-Key` and `id` to be the same');
  }
  return { ...order, id: key };
}
