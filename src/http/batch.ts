import type { Order } from '../core/order/order.ts';
import { isOrderError, OrderError } from '../core/order/order-error.ts';
import type { OrderOutcome } from '../core/order/outcome.ts';
import type { TraceContext } from '../core/order/trace/trace-context.ts';
import type { OrderProcessor } from '../core/order-processor.ts';
import { type Access, checkMayOrder, checkMayWrite } from '../server/access.ts';
import { ClientIds } from '../server/client-ids.ts';
import { isNews } from '../server/failure-reports.ts';
import { HttpError, unexpected } from '../server/http-error.ts';
import { draining } from '../server/listening/server-draining.ts';
import { unreadable } from '../server/listening/unreadable-body.ts';
import { inTrace, traceContextOf } from '../server/trace-headers.ts';
import { answer, textOf } from './answers.ts';
import { check, orderInput } from './openapi/input-schemas.ts';
import { type Line, LineParser, newline } from './request/json-lines.ts';
import { checkIsLines, tooSlow } from './request/request-body.ts';
import { inTime } from './request/request-timeouts.ts';
import { Requested } from './requested.ts';

/** About so many characters are sent at once: small pieces cost more than the orders do. */
const pieceLength = 65_536;

export interface BatchSettings {
  /** Of one line. */
  readonly bodyLimitBytes: number;
  /** For the next line. */
  readonly readTimeoutMs: number;
  /** Called with errors that the client sees as `internal`; does not throw. */
  readonly onError: (error: unknown, request: Request) => void;
}

/** Lines of orders in, lines of outcomes out, both no faster than the slower side. */
export function batch(
  processor: OrderProcessor,
  request: Request,
  access: Access,
  settings: BatchSettings,
): Response {
  checkIsLines(request);
  checkMayWrite(access);
  // The request may come on a connection that was open before.
  const { signal } = draining(processor);
  if (signal.aborted) throw new OrderError('shut_down', 'The server is closing');
  const orders = new OrderLines(request, access, settings, signal);
  const outcomes = processor.submitStream(orders as AsyncIterable<Order>);
  const onError = (error: unknown): void => settings.onError(error, request);
  return answer(sent(outcomes, orders, new ClientIds(access), onError), 200, {
    'content-type': 'application/x-ndjson',
  });
}

/** The orders of a body, each read when it is asked for. */
class OrderLines implements AsyncIterableIterator<unknown> {
  readonly #request: Request;
  readonly #access: Access;
  readonly #ids: ClientIds;
  readonly #settings: BatchSettings;
  readonly #draining: AbortSignal;
  /** Of the request, for each of its orders. */
  readonly #traceContext: TraceContext | undefined;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #parser: LineParser;
  readonly #stop = (): void => void this.return();
  #lines: readonly Line[] = [];
  #at = 0;
  #isOver = false;

  constructor(request: Request, access: Access, settings: BatchSettings, signal: AbortSignal) {
    this.#request = request;
    this.#access = access;
    this.#ids = new ClientIds(access);
    this.#settings = settings;
    this.#draining = signal;
    this.#traceContext = traceContextOf(request.headers);
    signal.addEventListener('abort', this.#stop);
    this.#reader = request.body?.getReader();
    this.#parser = new LineParser(settings.bodyLimitBytes);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<unknown, undefined>> {
    while (this.#at === this.#lines.length) {
      if (this.#isOver) return this.return();
      this.#at = 0;
      this.#lines = await this.#read();
    }
    const line = this.#lines[this.#at] as Line;
    this.#at += 1;
    return { done: false, value: this.#orderOf(line) };
  }

  /** The rest is not read. */
  async return(): Promise<IteratorResult<unknown, undefined>> {
    this.#isOver = true;
    this.#lines = [];
    this.#at = 0;
    this.#draining.removeEventListener('abort', this.#stop);
    await this.#reader?.cancel().catch(() => {});
    return { done: true, value: undefined };
  }

  async #read(): Promise<readonly Line[]> {
    try {
      const { readTimeoutMs } = this.#settings;
      return await inTime(this.#request, readTimeoutMs, tooSlow, this.#readLine());
    } catch {
      // Too slow, or the client has gone. Orders that came before get their outcomes.
      await this.return();
      return [];
    }
  }

  /** Reads to the end of a line, blank or not, or up to the limit of one: a byte alone does not extend the time. */
  async #readLine(): Promise<readonly Line[]> {
    for (let bytes = 0; bytes <= this.#settings.bodyLimitBytes; ) {
      const chunk = await this.#chunk();
      // A line that did not come whole is no order.
      if (this.#isOver) return [];
      if (chunk === undefined) {
        this.#isOver = true;
        return this.#parser.end();
      }
      const lines = this.#parser.push(chunk);
      if (chunk.includes(newline)) return lines;
      bytes += chunk.byteLength;
    }
    return [];
  }

  async #chunk(): Promise<Uint8Array | undefined> {
    const read = await this.#reader?.read();
    return read?.done === false ? read.value : undefined;
  }

  #orderOf(line: Line): unknown {
    try {
      if ('error' in line) throw line.error;
      const order = check(orderInput, line.value, 'invalid_order');
      checkMayOrder(this.#access, order as Order);
      return inTrace(this.#ids.order(order as Order), this.#traceContext);
    } catch (error) {
      const isOwn = error instanceof HttpError || isOrderError(error);
      return unreadable(isOwn ? error : this.#internal(error));
    }
  }

  /** An error of the host's `users` is not the order's. */
  #internal(cause: unknown): HttpError {
    this.#settings.onError(cause, this.#request);
    return unexpected(cause);
  }
}

/** The outcomes as lines. Those that are known at once are sent together. */
function sent(
  outcomes: AsyncIterator<OrderOutcome>,
  orders: OrderLines,
  ids: ClientIds,
  onError: (error: unknown) => void,
): ReadableStream {
  const encoder = new TextEncoder();
  let index = 0;
  let next: Requested<IteratorResult<OrderOutcome>> | undefined;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      let text = '';
      do {
        next ??= new Requested(outcomes.next());
        const { done, value } = await next.result;
        if (done) {
          if (text !== '') controller.enqueue(encoder.encode(text));
          controller.close();
          return;
        }
        if (value.status !== 'completed') reportInternal(value.error, onError);
        text += `${lineOf(ids.outcome(value), index)}\n`;
        index += 1;
        next = new Requested(outcomes.next());
      } while (text.length < pieceLength && (await next.isSoon()));
      controller.enqueue(encoder.encode(text));
    },
    async cancel() {
      await orders.return();
      await outcomes.return?.();
    },
  });
}

function reportInternal(error: OrderError, onError: (error: unknown) => void): void {
  if (error.code === 'internal' && isNews(error)) onError(error);
}

function lineOf(outcome: OrderOutcome, index: number): string {
  if (outcome.status === 'completed') {
    const { payload: _payload, ...receipt } = outcome;
    return textOf({ index, ...receipt });
  }
  const { status, error } = outcome;
  const own = error.cause instanceof HttpError ? error.cause : undefined;
  const isUnreadable = error.code === 'invalid_order' && isOrderError(error.cause);
  const shown = isUnreadable ? (error.cause as OrderError) : error;
  if (own === undefined) return JSON.stringify({ index, status, ...shown.toJSON() });
  const { code, message, issues } = own;
  return JSON.stringify({ index, status, code, message, retryable: false, issues });
}
