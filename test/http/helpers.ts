import { connect } from 'node:net';
import type { Hono } from 'hono';
import { OrderProcessor, type OrderProcessorOptions } from 'order-processor';
import {
  createOrderApp,
  type OrderAppOptions,
  type OrderServer,
  type ServeOptions,
  serve,
} from 'order-processor/http';
import { afterEach, expect } from 'vitest';
import { type Deferred, deferred } from '../kit/helpers.ts';

// biome-ignore lint/suspicious/noExplicitAny: what a test looks into is what it asserts.
export type Json = any;

export const order = { id: 'o-1', userId: 'u-1', amount: 1200 };

/** A processor with its app, and the errors that `onError` got. */
export function appOf(
  processorOptions: OrderProcessorOptions = {},
  appOptions: OrderAppOptions = {},
) {
  const processor = new OrderProcessor(processorOptions);
  const errors: unknown[] = [];
  const app = createOrderApp(processor, { onError: (error) => errors.push(error), ...appOptions });
  return { processor, app, errors, ...callsOf(app) };
}

type Headers = Record<string, string>;

/** Short forms of requests. */
export function callsOf(app: Pick<Hono, 'request'>) {
  return {
    get: async (path: string, headers: Headers = {}) => app.request(path, { headers }),
    post: async (body: unknown, headers: Headers = {}, path = '/orders') =>
      app.request(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    remove: async (path: string, headers: Headers = {}) =>
      app.request(path, { method: 'DELETE', headers }),
    batch: async (lines: string | Uint8Array | ReadableStream<Uint8Array>, headers: Headers = {}) =>
      app.request(
        new Request('http://localhost/orders/batch', {
          method: 'POST',
          headers: { 'content-type': 'application/x-ndjson', ...headers },
          body: lines,
          duplex: 'half',
        } as RequestInit),
      ),
  };
}

/** Steps that wait until the test lets them go, by the order's id. */
export function gates() {
  const open = new Map<string, Deferred<void>>();
  const gate = (id: string): Deferred<void> => {
    const known = open.get(id) ?? deferred();
    open.set(id, known);
    return known;
  };
  return {
    open: (id: string): void => gate(id).resolve(),
    openAll: (): void => {
      for (const each of open.values()) each.resolve();
    },
    step: {
      name: 'work',
      run: ({ id }: { id: string }, { signal }: { signal: AbortSignal }) =>
        new Promise<void>((resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
          gate(id).promise.then(resolve);
        }),
    },
  };
}

/** The body of an answer, which must have this status. */
export async function bodyOf(response: Response, status = 200): Promise<Json> {
  const text = await response.text();
  expect([response.status, text]).toEqual([status, expect.anything()]);
  return JSON.parse(text);
}

/** The problem that an answer is: its status, content type and code must be right. */
export async function problemIn(response: Response, status: number, code: string): Promise<Json> {
  const problem = JSON.parse(await response.text());
  expect([response.status, problem.code]).toEqual([status, code]);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expect(problem).toMatchObject({ type: 'about:blank', status, detail: expect.any(String) });
  if (status === 503) expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
  return problem;
}

/** The lines of an NDJSON answer. */
export async function linesOf(response: Response): Promise<Json[]> {
  expect([response.status, response.headers.get('content-type')]).toEqual([
    200,
    'application/x-ndjson',
  ]);
  const text = await response.text();
  expect(text === '' || text.endsWith('\n')).toBe(true);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

/** Servers on ports that the system chooses, closed after each test. */
export function useServers() {
  const running = new Set<OrderServer>();
  afterEach(async () => {
    await Promise.all([...running].map((server) => server.close()));
    running.clear();
  });
  return async (
    app: Parameters<typeof serve>[0],
    options: ServeOptions = {},
  ): Promise<OrderServer> => {
    const server = await serve(app, { port: 0, signals: [], shutdownTimeoutMs: 2_000, ...options });
    running.add(server);
    return server;
  };
}

/** A connection as a client of few words has it. */
export class Wire {
  readonly #socket;
  readonly closed: Promise<void>;
  /** All that has come, without carriage returns. */
  text = '';
  #heard = (): void => {};

  constructor(port: number, host = '127.0.0.1') {
    this.#socket = connect(port, host);
    this.#socket.on('error', () => {});
    this.#socket.on('data', (bytes) => {
      this.text += bytes.toString().replaceAll('\r', '');
      this.#heard();
    });
    this.closed = new Promise((resolve) => {
      this.#socket.once('close', () => resolve());
    });
    this.closed.then(() => this.#heard());
  }

  get isClosed(): boolean {
    return this.#socket.closed;
  }

  /** Lines and a blank one, and then the body. */
  send(lines: readonly string[], body = ''): void {
    this.#socket.write(`${[...lines, 'Host: localhost', '', ''].join('\r\n')}${body}`);
  }

  write(text: string | Uint8Array): void {
    this.#socket.write(text);
  }

  chunk(text: string): void {
    this.write(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Resolves when this has come; rejects if the connection ends without it. */
  async until(part: string): Promise<void> {
    while (!this.text.includes(part)) {
      if (this.isClosed) throw new Error(`Closed before ${part}, after:\n${this.text}`);
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
