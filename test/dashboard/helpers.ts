import { OrderProcessor, type OrderProcessorOptions } from 'order-processor';
import { createDashboard, type DashboardOptions } from 'order-processor/dashboard';
import { expect, onTestFinished } from 'vitest';

// biome-ignore lint/suspicious/noExplicitAny: what a test looks into is what it asserts.
export type Json = any;

export const everyone = { users: 'all', client: 'ops' } as const;

/** Who may do everything, by default: most tests are not about that. */
const operator: DashboardOptions = { authenticate: () => everyone };

/** A processor with its dashboard, and the errors that `onError` got. Both end with the test. */
export function dashboardOf(
  processorOptions: OrderProcessorOptions = {},
  dashboardOptions: DashboardOptions = operator,
) {
  const processor = new OrderProcessor(processorOptions);
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  const dashboard = createDashboard(processor, { onError, ...dashboardOptions });
  onTestFinished(async () => {
    dashboard.stop();
    await processor.shutdown({ timeoutMs: 1 });
  });
  return { processor, dashboard, errors, ...callsOf(dashboard.fetch) };
}

type Headers = Record<string, string>;
type Fetch = (request: Request) => Promise<Response>;

/** Short forms of requests, under a prefix. */
export function callsOf(fetch: Fetch, base = 'http://ops.test/orders/dash/') {
  const request = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(new Request(new URL(path, base), init));
  const get = async (path: string, query: object = {}, headers: Headers = {}): Promise<Response> =>
    request(`api/${path}?${new URLSearchParams(query as Record<string, string>)}`, { headers });
  const post = async (path: string, body: unknown, headers: Headers = {}): Promise<Response> =>
    request(`api/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  return {
    ...{ request, get, post },
    /** The body of an answer that must be 200. */
    read: async (path: string, query: object = {}, headers: Headers = {}): Promise<Json> =>
      bodyOf(await get(path, query, headers)),
    act: async (body: unknown, headers: Headers = {}): Promise<Json> =>
      bodyOf(await post('act', body, headers)),
  };
}

export async function bodyOf(response: Response): Promise<Json> {
  const text = await response.text();
  expect(response.status, text).toBe(200);
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  return JSON.parse(text);
}

export async function problemIn(response: Response, status: number, code: string): Promise<Json> {
  const body: Json = await response.json();
  expect([response.status, body.code], body.detail).toEqual([status, code]);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expect(body).toMatchObject({ type: 'about:blank', status, title: expect.any(String) });
  return body;
}

export interface Message {
  readonly id: string;
  readonly event: string;
  readonly data: Json;
}

/** Reads a live stream. */
export class LiveReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #text = '';
  readonly seen: Message[] = [];

  constructor(response: Response) {
    this.#reader = (response.body as ReadableStream<Uint8Array>).getReader();
  }

  /** The next message of a name for which something holds. */
  async until(event: string, isWanted: (data: Json) => boolean = () => true): Promise<Message> {
    for (;;) {
      const message = await this.#next();
      if (message === undefined) throw new Error(`The stream ended before ${event}`);
      this.seen.push(message);
      if (message.event === event && isWanted(message.data)) return message;
    }
  }

  /** Resolves at the end of the stream. */
  async ended(): Promise<void> {
    for (;;) {
      const message = await this.#next();
      if (message === undefined) return;
      this.seen.push(message);
    }
  }

  cancel(): Promise<void> {
    return this.#reader.cancel();
  }

  async #next(): Promise<Message | undefined> {
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end === -1) {
        const { done, value } = await this.#reader.read();
        if (done) return undefined;
        this.#text += new TextDecoder().decode(value);
        continue;
      }
      const fields = new Map(
        this.#text
          .slice(0, end)
          .split('\n')
          .map((line) => line.split(/: (.*)/s) as [string, string]),
      );
      this.#text = this.#text.slice(end + 2);
      const [event, data] = [fields.get('event'), fields.get('data')];
      if (event === undefined || data === undefined) continue;
      return { id: fields.get('id') ?? '', event, data: JSON.parse(data) };
    }
  }
}
