import { OrderProcessor, type OrderProcessorOptions } from 'order-processor';
import {
  createOrderApp,
  type OrderAppOptions,
  type OrderServer,
  type ServeOptions,
  serve,
} from 'order-processor/http';

/** A server, and what it runs. */
export interface Abused {
  readonly processor: OrderProcessor;
  readonly server: OrderServer;
  /** The errors that `onError` got. */
  readonly internal: unknown[];
}

/** Limits that a test can wait for; a busy machine may well be taken for a slow client. */
export const short = {
  app: { readTimeoutMs: 300 },
  server: { headersTimeoutMs: 300, idleTimeoutMs: 3_000, keepAliveTimeoutMs: 300 },
} as const;

export async function abused(
  options: OrderProcessorOptions = {},
  app: OrderAppOptions = {},
  settings: ServeOptions = {},
): Promise<Abused> {
  const internal: unknown[] = [];
  const processor = new OrderProcessor(options);
  const server = await serve(
    createOrderApp(processor, {
      onError: (error) => internal.push(error),
      ...app,
    }),
    {
      processor,
      port: 0,
      signals: [],
      shutdownTimeoutMs: 2_000,
      ...settings,
    },
  );
  return { processor, server, internal };
}

/** The head of a request, and its body as far as it comes. */
export function head(
  line: string,
  headers: Readonly<Record<string, string | number>> = {},
): string {
  const lines = Object.entries({ host: 'localhost', ...headers });
  return `${line} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
}

export function orderRequest(
  order: object,
  headers: Readonly<Record<string, string | number>> = {},
): string {
  const body = JSON.stringify(order);
  const own = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  return `${head('POST /orders', { ...own, ...headers })}${body}`;
}

/** Asks again and again until it is so, or the test's time limit fails it. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 10));
}
