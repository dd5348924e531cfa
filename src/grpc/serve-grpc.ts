import { createServer as createHttp1Server } from 'node:http';
import {
  createServer as createHttp2Server,
  type Http2Server,
  type ServerHttp2Session,
} from 'node:http2';
import { createServer, type Socket } from 'node:net';
import type { ConnectRouter } from '@connectrpc/connect';
import { checkFunction, checkInteger, checkTimeout } from '../core/runtime/checks.ts';
import {
  type ListenOptions,
  listen,
  type OrderServer,
  readListenOptions,
} from '../server/listening/listen.ts';
import { answerParserErrors } from '../server/listening/parser-errors.ts';
import { guarded } from './node-handler.ts';

/** What {@link serveGrpc} takes beside the routes. The `port` is 50051 by default. */
export interface ServeGrpcOptions extends ListenOptions {
  /**
   * How many calls one connection of HTTP/2 may have under way: an integer from 1 up, 1 000 by default. Each may
   * have a message of `messageLimitBytes` in memory.
   */
  readonly maxCallsPerConnection?: number | undefined;
  /**
   * How long the body of a request over HTTP/1.1 may take to come, once its headers have, in milliseconds:
   * 30 000 by default. No call of this service sends a stream over HTTP/1.1; one of your own has no longer.
   */
  readonly readTimeoutMs?: number | undefined;
}

/**
 * Serves routes under Node, by `@connectrpc/connect-node`, without TLS: gRPC over HTTP/2, gRPC-Web and HTTP with
 * JSON over HTTP/1.1 too, all on one port. A connection that is silent gets a ping, and is cut if it does
 * not answer. On a signal the server closes, and then ends the process, with 0 if no order was lost.
 *
 * @param routes - of {@link createOrderRoutes}, or any function that adds routes to a router
 * @param options - each is checked
 * @returns when it listens; rejects if it cannot, or with a TypeError or RangeError for an option
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 * import { createOrderRoutes, serveGrpc } from 'order-processor/grpc';
 *
 * const processor = new OrderProcessor();
 * const server = await serveGrpc(createOrderRoutes(processor), { processor, port: 0 });
 * const response = await fetch(`${server.url}/orderprocessor.v1.OrderService/SubmitOrder`, {
 *   method: 'POST',
 *   headers: { 'content-type': 'application/json' },
 *   body: JSON.stringify({ order: { userId: 'u-1', amount: '1200' } }),
 * });
 * const { receipt } = (await response.json()) as { receipt: { balance: string } };
 * console.log(receipt.balance); // prints: 1200
 * await server.close();
 * ```
 */
export async function serveGrpc(
  routes: (router: ConnectRouter) => void,
  options: ServeGrpcOptions = {},
): Promise<OrderServer> {
  checkFunction('routes', routes);
  const own = ['maxCallsPerConnection', 'readTimeoutMs'];
  const settings = readListenOptions('serveGrpc', options, 50_051, own);
  const { maxCallsPerConnection: maxConcurrentStreams = 1_000, readTimeoutMs = 30_000 } = options;
  checkInteger('maxCallsPerConnection', maxConcurrentStreams, 1);
  checkTimeout('readTimeoutMs', readTimeoutMs);
  const { connectNodeAdapter } = await import('@connectrpc/connect-node');
  const handler = guarded(connectNodeAdapter({ routes }));
  const { headersTimeoutMs, idleTimeoutMs } = settings;
  const http1 = createHttp1Server(
    {
      headersTimeout: headersTimeoutMs,
      // For headers and body together, also if the answer came before the body.
      requestTimeout: headersTimeoutMs + readTimeoutMs,
      connectionsCheckingInterval: Math.min(1_000, headersTimeoutMs, readTimeoutMs),
      // Node answers a request without a host by a bare 400; `guarded` answers by a problem.
      requireHostHeader: false,
    },
    handler,
  );
  answerParserErrors(http1);
  http1.timeout = idleTimeoutMs;
  // It does not listen itself; without this event it would not track its connections and their timeouts.
  http1.emit('listening');
  const http2 = createHttp2Server({ settings: { maxConcurrentStreams } }, handler);
  const sessions = new Sessions(http2, idleTimeoutMs);
  const sockets = new Set<Socket>();
  /** Those whose protocol is not known yet. */
  const unknown = new Set<Socket>();
  const server = createServer((socket) => {
    for (const set of [sockets, unknown]) {
      set.add(socket);
      socket.once('close', () => set.delete(socket));
    }
    route(socket, headersTimeoutMs, (isHttp2) => {
      unknown.delete(socket);
      (isHttp2 ? http2 : http1).emit('connection', socket);
    });
  });
  return listen(server, settings, async (limitMs) => {
    const closed = new Promise((resolve) => server.close(resolve));
    sessions.close();
    http1.close();
    for (const socket of unknown) socket.destroy();
    const sweeping = setInterval(() => http1.closeIdleConnections(), 20);
    const cutting = setTimeout(() => {
      for (const socket of sockets) socket.destroy();
    }, limitMs);
    await closed;
    clearInterval(sweeping);
    clearTimeout(cutting);
  });
}

/** The first bytes of every connection of HTTP/2. */
const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

/** Hands a connection on when its first bytes show its protocol; cuts it if they do not come in time. */
function route(socket: Socket, limitMs: number, handOn: (isHttp2: boolean) => void): void {
  const cut = (): void => void socket.destroy();
  // Not `socket.setTimeout`: each byte would restart it.
  const timer = setTimeout(cut, limitMs).unref();
  socket.on('error', cut);
  socket.once('close', () => clearTimeout(timer));
  // Kept here until it suffices: after `unshift`, the socket would emit `readable` again at once.
  let begin = Buffer.alloc(0);
  const look = (): void => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    begin = Buffer.concat([begin, chunk]);
    const text = begin.toString('latin1', 0, preface.length);
    if (text.length < preface.length && preface.startsWith(text)) return;
    clearTimeout(timer);
    socket.off('readable', look);
    socket.unshift(begin);
    handOn(text === preface);
  };
  socket.on('readable', look);
}

/** The connections of HTTP/2. */
class Sessions {
  readonly #sessions = new Set<ServerHttp2Session>();

  constructor(server: Http2Server, idleTimeoutMs: number) {
    server.on('session', (session) => {
      this.#sessions.add(session);
      const asking = setInterval(() => ask(session, idleTimeoutMs / 2), idleTimeoutMs / 2).unref();
      session.once('close', () => {
        clearInterval(asking);
        this.#sessions.delete(session);
      });
      // The session closes by itself, and its calls have the error.
      session.on('error', () => {});
    });
  }

  /** Closes each session when its calls have ended. */
  close(): void {
    for (const session of this.#sessions) session.close();
  }
}

/** Cuts a connection whose other end does not answer a ping; one that is half open would never close. */
function ask(session: ServerHttp2Session, limitMs: number): void {
  if (session.closed || session.destroyed) return;
  const timer = setTimeout(() => session.destroy(), limitMs).unref();
  const isSent = session.ping(() => clearTimeout(timer));
  if (!isSent) clearTimeout(timer);
}
