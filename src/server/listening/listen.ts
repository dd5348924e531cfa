import type { AddressInfo, Server } from 'node:net';
import { constants } from 'node:os';
import type { ShutdownSummary } from '../../core/lifecycle/shutdown-summary.ts';
import type { OrderProcessor } from '../../core/order-processor.ts';
import {
  checkFunction,
  checkInteger,
  checkMethods,
  checkOptions,
  checkTimeout,
  wrong,
} from '../../core/runtime/checks.ts';
import { aboutToCut, draining } from './server-draining.ts';

/** Where a server listens, and how it ends. */
export interface ListenOptions {
  /** The processor to shut down after the server has closed; none by default. */
  readonly processor?: Pick<OrderProcessor, 'shutdown'> | undefined;
  /** Other servers on the same processor, closed together with this one, before the processor. */
  readonly beside?: readonly Pick<OrderServer, 'close'>[] | undefined;
  /** An integer from 0 to 65 535; with 0 the system chooses one. */
  readonly port?: number | undefined;
  /** The address to bind to: `'127.0.0.1'` by default, which only this machine reaches. */
  readonly hostname?: string | undefined;
  /**
   * How long a request's headers may take to come, and what is left of a body when the request was answered
   * without it, in milliseconds; 10 000 by default.
   */
  readonly headersTimeoutMs?: number | undefined;
  /**
   * How long a connection may be silent, in both directions, in milliseconds; 60 000 by default. It must be
   * longer than clients may wait for an answer.
   */
  readonly idleTimeoutMs?: number | undefined;
  /** How many connections there may be; without a bound by default. More are closed at once. */
  readonly maxConnections?: number | undefined;
  /**
   * How long `close` may take, in milliseconds, 30 000 by default: up to half of it for the requests that are
   * under way, the rest for the processor, whose last four seconds are for steps that do not end. With less than
   * eight seconds those may come on top.
   */
  readonly shutdownTimeoutMs?: number | undefined;
  /**
   * The signals that close the server and end the process: `SIGTERM` and `SIGINT` by default. A second one
   * ends it at once.
   */
  readonly signals?: readonly NodeJS.Signals[] | undefined;
  /**
   * Called when all is closed, before the process ends after a signal; may take what is left of
   * `shutdownTimeoutMs`, and a second in any case. After that it is no longer waited for.
   */
  readonly onClosed?: ((summary: ShutdownSummary | undefined) => unknown) | undefined;
}

/** A server that listens. */
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

type Defaulted =
  | 'port'
  | 'hostname'
  | 'headersTimeoutMs'
  | 'idleTimeoutMs'
  | 'shutdownTimeoutMs'
  | 'signals';

export type ListenSettings = { readonly [N in Defaulted]: NonNullable<ListenOptions[N]> } & Pick<
  ListenOptions,
  'processor' | 'beside' | 'maxConnections' | 'onClosed'
>;

/** What `shutdown` may take beyond its deadline, in milliseconds; see there. */
const graceMs = 4_000;

/** What `onClosed` may take however late it is, in milliseconds. */
const leastMs = 1_000;

/** No process can handle these. */
const uncatchable: readonly string[] = ['SIGKILL', 'SIGSTOP'];

const names = [
  'processor',
  'beside',
  'port',
  'hostname',
  'headersTimeoutMs',
  'idleTimeoutMs',
  'maxConnections',
  'shutdownTimeoutMs',
  'signals',
  'onClosed',
];

/**
 * @param of - the function that takes them
 * @param more - the names of options that it has beside these
 * @throws TypeError or RangeError
 */
export function readListenOptions(
  of: string,
  options: ListenOptions,
  port: number,
  more: readonly string[] = [],
): ListenSettings {
  checkOptions(of, options, [...names, ...more]);
  const settings = {
    processor: options.processor,
    beside: options.beside,
    port: options.port ?? port,
    hostname: options.hostname ?? '127.0.0.1',
    headersTimeoutMs: options.headersTimeoutMs ?? 10_000,
    idleTimeoutMs: options.idleTimeoutMs ?? 60_000,
    maxConnections: options.maxConnections,
    shutdownTimeoutMs: options.shutdownTimeoutMs ?? 30_000,
    signals: options.signals ?? (['SIGTERM', 'SIGINT'] as const),
    onClosed: options.onClosed,
  };
  checkSettings(settings);
  return settings;
}

function checkSettings(settings: ListenSettings): void {
  const { processor, beside, port, hostname, maxConnections, signals, onClosed } = settings;
  if (processor !== undefined) checkMethods('processor', processor, ['shutdown']);
  if (beside !== undefined) {
    if (!Array.isArray(beside)) throw wrong(TypeError, 'beside', 'a list of servers', beside);
    for (const [at, server] of beside.entries()) checkMethods(`beside[${at}]`, server, ['close']);
  }
  checkInteger('port', port, 0);
  if (port > 65_535) throw wrong(RangeError, 'port', 'an integer from 0 to 65535', port);
  for (const name of ['headersTimeoutMs', 'idleTimeoutMs', 'shutdownTimeoutMs'] as const) {
    checkTimeout(name, settings[name]);
  }
  if (maxConnections !== undefined) checkInteger('maxConnections', maxConnections, 1);
  if (typeof hostname !== 'string' || hostname === '') {
    throw wrong(TypeError, 'hostname', 'an address', hostname);
  }
  if (!Array.isArray(signals)) throw wrong(TypeError, 'signals', 'a list of signals', signals);
  for (const signal of signals) {
    if (!(signal in constants.signals) || uncatchable.includes(signal)) {
      throw wrong(RangeError, 'signals', 'a list of signals that can be handled', signal);
    }
  }
  if (onClosed !== undefined) checkFunction('onClosed', onClosed);
}

/**
 * Listens, and handles the signals from then on.
 *
 * @param stop - resolves when no connection is left; cuts those that are left after so many milliseconds
 */
export async function listen(
  server: Server,
  settings: ListenSettings,
  stop: (limitMs: number) => Promise<void>,
): Promise<OrderServer> {
  if (settings.maxConnections !== undefined) server.maxConnections = settings.maxConnections;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(settings.port, settings.hostname, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return new ListeningServer(server.address() as AddressInfo, settings, stop);
}

/** How long before the server cuts requests it answers those that wait for an order, at most, in milliseconds. */
const mostAnswerMs = 250;

class ListeningServer implements OrderServer {
  readonly port: number;
  readonly url: string;
  readonly #settings: ListenSettings;
  readonly #stop: (limitMs: number) => Promise<void>;
  #closing: Promise<ShutdownSummary | undefined> | undefined;

  constructor(
    { address, family, port }: AddressInfo,
    settings: ListenSettings,
    stop: (limitMs: number) => Promise<void>,
  ) {
    this.#settings = settings;
    this.#stop = stop;
    this.port = port;
    this.url = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
    for (const signal of settings.signals) process.on(signal, this.#end);
  }

  close(): Promise<ShutdownSummary | undefined> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  readonly #end = async (): Promise<void> => {
    if (this.#closing !== undefined) process.exit(1);
    const summary = await this.close();
    process.exit(summary === undefined || summary.unsettled.length === 0 ? 0 : 1);
  };

  async #close(): Promise<ShutdownSummary | undefined> {
    const { processor, beside = [], shutdownTimeoutMs, signals, onClosed } = this.#settings;
    const deadline = performance.now() + shutdownTimeoutMs;
    const limitMs = shutdownTimeoutMs / 2;
    if (processor !== undefined) draining(processor).abort();
    const others = Promise.allSettled(beside.map((server) => server.close()));
    const lastAnswers = setTimeout(
      () => processor && aboutToCut(processor).abort(),
      limitMs - Math.min(mostAnswerMs, limitMs / 4),
    );
    await Promise.all([within(others, limitMs), this.#stop(limitMs)]);
    clearTimeout(lastAnswers);
    const leftMs = deadline - performance.now();
    const timeoutMs = Math.max(1, Math.floor(leftMs - Math.min(graceMs, leftMs / 2)));
    const summary = await processor?.shutdown({ timeoutMs });
    try {
      const isInTime = await within(
        Promise.resolve(onClosed?.(summary)),
        Math.max(leastMs, deadline - performance.now()),
      );
      if (!isInTime) throw new Error('`onClosed` has not ended in time');
    } catch (error) {
      console.error(error);
    }
    for (const signal of signals) process.off(signal, this.#end);
    return summary;
  }
}

/** Whether a promise resolves in time. Rejects if it rejects before. */
async function within(promise: Promise<unknown>, limitMs: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), limitMs);
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
