import type { Context, Hono, MiddlewareHandler } from 'hono';
import type { OrderProcessor } from '../../core/order-processor.ts';
import { everything } from '../../server/access.ts';
import { ClientIds } from '../../server/client-ids.ts';
import { notFound } from '../../server/http-error.ts';
import { accessOf } from '../../server/order-access.ts';
import { answer, problem } from '../answers.ts';
import { batch } from '../batch.ts';
import { health, liveness, readiness } from '../health.ts';
import { methodsOf, refuseAllBut, wrongMethod } from '../methods.ts';
import { openApi } from '../openapi/openapi.ts';
import type { AppSettings } from '../options.ts';
import { checkUrl } from '../request/request.ts';
import { operatorRoutes } from './operator-routes.ts';
import { orderRoutes } from './order-routes.ts';
import type { Handler } from './route.ts';
import { userRoutes } from './user-routes.ts';

/** The text with which Hono answers if there is no route. */
const honosNotFound = '404 Not Found';

/** The routes of an order app. */
export class Routes {
  readonly #processor: OrderProcessor;
  readonly #settings: AppSettings;
  readonly #openApi: string;

  constructor(processor: OrderProcessor, settings: AppSettings) {
    this.#processor = processor;
    this.#settings = settings;
    this.#openApi = JSON.stringify(openApi(settings));
  }

  addTo(app: Hono): void {
    const processor = this.#processor;
    for (const routesOf of [orderRoutes, userRoutes, operatorRoutes]) {
      for (const [method, path, handler] of routesOf(processor, this.#settings)) {
        app.on(method, path, this.#guard(handler));
      }
    }
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
    const handle = this.#guard(({ request, access }) =>
      batch(this.#processor, request, access, this.#settings),
    );
    refuseAllBut(app, allowed, (methods, context) => {
      const isBatch = context.req.param('id') === 'batch';
      if (isBatch && context.req.method === 'POST') return handle(context);
      return wrongMethod(isBatch ? [...methods, 'POST'] : methods, context.req.raw);
    });
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
        const param = (name: string): string => context.req.param(name) as string;
        return await handler({ request, access, ids, param });
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
    const response = problem(ids.error(error), statuses, request);
    if (response.status === 500) onError(error, request);
    return response;
  }
}

const allIds = new ClientIds(everything);
