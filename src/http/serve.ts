import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { checkInteger, checkMethods, checkOptions, checkTimeout, wrong } from '../checks.ts';
import type { OrderProcessor } from '../order-processor.ts';
import type { ShutdownSummary } from '../shutdown.ts';
import { draining } from './draining.ts';

/** Whatever answers requests: a Hono app is one. */
export interface FetchApp {
  /** Answers a request. */
  fetch(request: Request, ...rest: never[]): Response | Promise<Response>;
}

/** What {@link serve} takes beside the app. */
export interface ServeOptions {
  /** Shut down after the server has; none by default. */
  readonly processor?: Pick<OrderProcessor, 'shutdown'> | undefined;
  /** An integer from 0 up, 8080 by default; with 0 the system chooses one. */
  readonly port?: number | undefined;
  /** The address to bind to: `'127.0.0.1'` by default, which only this machine reaches. */
  readonly hostname?: string | undefined;
  /** How long a request's headers may take to come, in milliseconds; 10 000 by default. */
  readonly headersTimeoutMs?: number | undefined;
  /**
   * How long a connection may be silent in the middle of a request, in both directions, in milliseconds;
   * 60 000 by default. It must be longer than clients may wait for an answer.
   */
  readonly idleTimeoutMs?: number | undefined;
  /** How long a connection stays open without a request, in milliseconds; 5 000 by default. */
  readonly keepAliveTimeoutMs?: number | undefined;
  /** How many connections there may be; without a bound by default. More are closed at once. */
  readonly maxConnections?: number | undefined;
  /**
   * How long `close` may take, in milliseconds, 30 000 by default: up to half of it for the requests that are
   * under way, the rest for the processor.
   */
  readonly shutdownTimeoutMs?: number | undefined;
  /**
   * The signals that close the server and end the process: `SIGTERM` and `SIGINT` by default. A second one
   * ends it at once.
   */
  readonly signals?: readonly NodeJS.Signals[] | undefined;
  /** Called when all is closed, before the process ends after a signal; may take its time. */
  readonly onClosed?: ((summary: ShutdownSummary | undefined) => unknown) | undefined;
}

/** A server that runs. */
export interface OrderServer {
  /** Where it listens, as `http://127.0.0.1:8080`. */
  readonly url: string;
  /** The port that it listens on. */
  readonly port: number;
  /**
   * Stops accepting connections, lets requests finish, ends event streams, shuts the processor down. Never
   * rejects; a second call gives the same promise.
   */
  close(): Promise<ShutdownSummary | undefined>;
}

const names = [
  'processor',
  'port',
  'hostname',
  'headersTimeoutMs',
  'idleTimeoutMs',
  'keepAliveTimeoutMs',
  'maxConnections',
  'shutdownTimeoutMs',
  'signals',
  'onClosed',
];

type Defaulted =
  | 'port'
  | 'hostname'
  | 'headersTimeoutMs'
  | 'idleTimeoutMs'
  | 'keepAliveTimeoutMs'
  | 'shutdownTimeoutMs'
  | 'signals';

type Settings = { readonly [N in Defaulted]: NonNullable<ServeOptions[N]> } & Pick<
  ServeOptions,
  'processor' | 'maxConnections' | 'onClosed'
>;

/**
 * Serves an app under Node, by `@hono/node-server`, with what a server that strangers reach needs: timeouts
 * against those that send slowly or not at all, and an orderly end. On a signal it closes, and then ends the
 * process, with 0 if no order was lost.
 *
 * @param app - a Hono app, or whatever has `fetch`
 * @param options - each is checked
 * @returns when it listens; rejects if it can't, or with a TypeError or RangeError for an option
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
  const settings = readOptions(options);
  const { createAdaptorServer } = await import('@hono/node-server');
  const server = createAdaptorServer({
    fetch: app.fetch as (request: Request) => Response | Promise<Response>,
    serverOptions: {
      headersTimeout: settings.headersTimeoutMs,
      // A body may take as long as it moves: of how it must move the app has its own idea.
      requestTimeout: 0,
      keepAliveTimeout: settings.keepAliveTimeoutMs,
      connectionsCheckingInterval: Math.min(1_000, settings.headersTimeoutMs),
    },
  }) as Server;
  server.timeout = settings.idleTimeoutMs;
  if (settings.maxConnections !== undefined) server.maxConnections = settings.maxConnections;
  await listen(server, settings);
  const running = new Running(server, settings);
  running.heed(settings.signals);
  return running;
}

class Running implements OrderServer {
  readonly port: number;
  readonly url: string;
  readonly #server: Server;
  readonly #settings: Settings;
  #closing: Promise<ShutdownSummary | undefined> | undefined;
  #heeded: readonly NodeJS.Signals[] = [];

  constructor(server: Server, settings: Settings) {
    const { address, family, port } = server.address() as AddressInfo;
    this.#server = server;
    this.#settings = settings;
    this.port = port;
    this.url = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  close(): Promise<ShutdownSummary | undefined> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  heed(signals: readonly NodeJS.Signals[]): void {
    this.#heeded = signals;
    for (const signal of signals) process.on(signal, this.#end);
  }

  readonly #end = async (): Promise<void> => {
    if (this.#closing !== undefined) process.exit(1);
    const summary = await this.close();
    process.exit(summary === undefined || summary.unsettled.length === 0 ? 0 : 1);
  };

  async #close(): Promise<ShutdownSummary | undefined> {
    const { processor, shutdownTimeoutMs, onClosed } = this.#settings;
    const deadline = performance.now() + shutdownTimeoutMs;
    if (processor !== undefined) draining(processor).abort();
    await this.#closeServer(shutdownTimeoutMs / 2);
    const timeoutMs = Math.max(1, Math.floor(deadline - performance.now()));
    const summary = await processor?.shutdown({ timeoutMs });
    try {
      await onClosed?.(summary);
    } catch (error) {
      console.error(error);
    }
    for (const signal of this.#heeded) process.off(signal, this.#end);
    return summary;
  }

  /** Resolves when no connection is left; those that are after a while are cut. */
  async #closeServer(limitMs: number): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    // A client that never pauses would be served until it is cut.
    this.#server.prependListener('request', (_: IncomingMessage, response: ServerResponse) => {
      response.setHeader('connection', 'close');
    });
    // One that is kept alive is not closed by itself when its request has ended.
    const sweeping = setInterval(() => this.#server.closeIdleConnections(), 20);
    const cutting = setTimeout(() => this.#server.closeAllConnections(), limitMs);
    await closed;
    clearInterval(sweeping);
    clearTimeout(cutting);
  }
}

async function listen(server: Server, { port, hostname }: Settings): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, hostname, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function readOptions(options: ServeOptions): Settings {
  checkOptions('serve', options, names);
  const settings = {
    processor: options.processor,
    port: options.port ?? 8080,
    hostname: options.hostname ?? '127.0.0.1',
    headersTimeoutMs: options.headersTimeoutMs ?? 10_000,
    idleTimeoutMs: options.idleTimeoutMs ?? 60_000,
    keepAliveTimeoutMs: options.keepAliveTimeoutMs ?? 5_000,
    maxConnections: options.maxConnections,
    shutdownTimeoutMs: options.shutdownTimeoutMs ?? 30_000,
    signals: options.signals ?? (['SIGTERM', 'SIGINT'] as const),
    onClosed: options.onClosed,
  };
  if (settings.processor !== undefined) checkMethods('processor', settings.processor, ['shutdown']);
  checkInteger('port', settings.port, 0);
  if (settings.port > 65_535) {
    throw wrong(RangeError, 'port', 'an integer from 0 to 65535', settings.port);
  }
  for (const name of ['headersTimeoutMs', 'idleTimeoutMs', 'keepAliveTimeoutMs'] as const) {
    checkTimeout(name, settings[name]);
  }
  checkTimeout('shutdownTimeoutMs', settings.shutdownTimeoutMs);
  if (settings.maxConnections !== undefined) {
    checkInteger('maxConnections', settings.maxConnections, 1);
  }
  if (typeof settings.hostname !== 'string' || settings.hostname === '') {
    throw wrong(TypeError, 'hostname', 'an address', settings.hostname);
  }
  if (!Array.isArray(settings.signals)) {
    throw wrong(TypeError, 'signals', 'a list of signals', settings.signals);
  }
  if (settings.onClosed !== undefined && typeof settings.onClosed !== 'function') {
    throw wrong(TypeError, 'onClosed', 'a function', settings.onClosed);
  }
  return settings;
}
