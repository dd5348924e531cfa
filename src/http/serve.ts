import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { checkMethods, checkTimeout } from '../core/runtime/checks.ts';
import { badRequest } from '../server/http-error.ts';
import { joinPieces } from '../server/listening/join-pieces.ts';
import {
  type ListenOptions,
  listen,
  type OrderServer,
  readListenOptions,
} from '../server/listening/listen.ts';
import { answerParserErrors } from '../server/listening/parser-errors.ts';
import { problem } from './answers.ts';
import { cutUnread } from './request/unread-body.ts';

/** Answers requests: a Hono app is one. */
export interface FetchApp {
  /** Answers a request. */
  fetch(request: Request, ...rest: never[]): Response | Promise<Response>;
}

/**
 * What {@link serve} takes beside the app. The `port` is 8080 by default.
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 * import { createOrderApp, serve } from 'order-processor/http';
 *
 * const processor = new OrderProcessor();
 * const server = await serve(createOrderApp(processor), { port: 0, processor });
 * await server.close();
 * ```
 */
export interface ServeOptions extends ListenOptions {
  /** How long a connection stays open without a request, in milliseconds; 5 000 by default. */
  readonly keepAliveTimeoutMs?: number | undefined;
}

/**
 * Serves an app under Node, by `@hono/node-server`, with what a public server needs: timeouts
 * against clients that send slowly or not at all, and an orderly end. On a signal it closes, and then ends the
 * process, with 0 if no order was lost.
 *
 * @param app - a Hono app, or any object that has `fetch`
 * @param options - each is checked
 * @returns when it listens; rejects if it cannot, or with a TypeError or RangeError for an option
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 * import { createOrderApp, serve } from 'order-processor/http';
 *
 * const processor = new OrderProcessor();
 * const server = await serve(createOrderApp(processor), { processor, port: 0 });
 * const response = await fetch(`${server.url}/health`);
 * console.log(await response.text()); // prints: {"status":"ok","reasons":[]}
 * await server.close();
 * ```
 */
export async function serve(app: FetchApp, options: ServeOptions = {}): Promise<OrderServer> {
  checkMethods('app', app, ['fetch']);
  const settings = readListenOptions('serve', options, 8080, ['keepAliveTimeoutMs']);
  const { keepAliveTimeoutMs = 5_000 } = options;
  checkTimeout('keepAliveTimeoutMs', keepAliveTimeoutMs);
  const { getRequestListener } = await import('@hono/node-server');
  const fetch = app.fetch.bind(app) as (request: Request) => Response | Promise<Response>;
  const serverOptions = {
    headersTimeout: settings.headersTimeoutMs,
    // The app bounds how long a body may take.
    requestTimeout: 0,
    keepAliveTimeout: keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.min(1_000, settings.headersTimeoutMs),
    // Node answers a request without a host by a bare 400; `errorHandler` answers by a problem.
    requireHostHeader: false,
  };
  const listener = getRequestListener(fetch, { errorHandler });
  const server = createServer(serverOptions, (request, response) => {
    if (mayHaveManyPieces(request)) joinPieces(request);
    cutUnread(request, response, settings.headersTimeoutMs);
    return listener(request, response);
  });
  answerParserErrors(server);
  server.timeout = settings.idleTimeoutMs;
  return listen(server, settings, (limitMs) => stop(server, limitMs));
}

/** A body of 4 KiB or less cannot have many. */
function mayHaveManyPieces({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length']) > 4_096;
}

/** Answers a request that did not reach the app, with a wrong host or path; or the app itself threw. */
function errorHandler(error: unknown): Response {
  const isRequests = error instanceof Error && error.name === 'RequestError';
  return problem(isRequests ? badRequest(error.message) : error);
}

async function stop(server: Server, limitMs: number): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  // A client that sends requests without a pause would be served until it is cut.
  server.prependListener('request', (_: IncomingMessage, response: ServerResponse) => {
    response.setHeader('connection', 'close');
  });
  // Node does not close a connection that is kept alive when its last request has ended.
  const sweeping = setInterval(() => server.closeIdleConnections(), 20);
  const cutting = setTimeout(() => server.closeAllConnections(), limitMs);
  await closed;
  clearInterval(sweeping);
  clearTimeout(cutting);
}
