import type { Context, Hono, MiddlewareHandler } from 'hono';
import type { OrderProcessor } from '../core/order-processor.ts';
import { type Access, checkMayActFor, checkOperator, everything } from '../server/access.ts';
import { ClientIds } from '../server/client-ids.ts';
import { readerOf } from '../server/events/reader-permits.ts';
import { notFound } from '../server/http-error.ts';
import { accessOf, cancelOrder, findOrder, withoutCause } from '../server/order-access.ts';
import { answer, json, problem } from './answers.ts';
import { batch } from './batch.ts';
import { health, liveness, readiness } from './health.ts';
import { methodsOf, refuseAllBut, wrongMethod } from './methods.ts';
import { openApi } from './openapi/openapi.ts';
import { eventsQuery, listQuery, noQuery, orderQuery } from './openapi/schemas.ts';
import type { AppSettings } from './options.ts';
import { postOrder } from './post-order.ts';
import { checkUrl, query } from './request/request.ts';
import { SseFeed } from './sse-feed.ts';

/** Answers one request of a client with this access. */
type Handler = (
  request: Request,
  access: Access,
  context: Context,
  ids: ClientIds,
) => Response | Promise<Response>;

/** The text with which Hono answers if there is no route. */
const honosNotFound = '404 Not Found';

/** The routes of an order app. */
export class Routes {
  readonly #processor: OrderProcessor;
  readonly #settings: AppSettings;
  readonly #events: SseFeed;
  readonly #openApi: string;

  constructor(processor: OrderProcessor, settings: AppSettings) {
    this.#processor = processor;
    this.#settings = settings;
    this.#events = new SseFeed(processor, settings.events);
    this.#openApi = JSON.stringify(openApi(settings));
  }

  addTo(app: Hono): void {
    const processor = this.#processor;
    this.#add(app, 'POST', '/orders', (request, access, _, ids) =>
      postOrder(processor, this.#settings, { request, access, ids }),
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
    // A host's `route()` takes over the routes alone. Not by `all()`: each request would match two routes then, which
    // is slower.
    app.routes.push({ basePath: '/', path: '/*', method: 'ALL', handler: this.#whereMounted });
  }

  #noRoute(request: Request): Response {
    return this.#refuse(notFound('There is no such route'), request);
  }

  /** Replaces the answer of Hono itself if neither this app nor its host has a route. */
  readonly #whereMounted: MiddlewareHandler = async (context, next) => {
    await next();
    const { res } = context;
    const isText =
      res.status === 404 && res.headers.get('content-type')?.startsWith('text/plain') === true;
    // A host's own route may answer with such a text too.
    if (!isText || (await res.clone().text()) !== honosNotFound) return;
    context.res = this.#noRoute(context.req.raw);
  };

  /**
   * `/orders/batch` is also the path of an order of that name. One route for both: with a word and a parameter in
   * the same place, Hono uses its slow router for all routes.
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
        // No `await` without need: most requests are answered in the same turn.
        const access =
          authenticate === undefined ? everything : await accessOf(authenticate, () => request);
        if (authenticate !== undefined) ids = new ClientIds(access);
        return await handler(request, access, context, ids);
      } catch (error) {
        return this.#refuse(error, request, ids);
      }
    };
  }

  /** For probes, which have no credentials, and may have a query to avoid caches. */
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
    // The header counts: a browser sets it when it reconnects by itself, to the same URL.
    const lastEventId = request.headers.get('last-event-id') ?? asked.lastEventId;
    // A request for the head alone would never end a stream.
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
