import type { AcceptedOrder } from '../order/order.ts';
import type { OrderError } from '../order/order-error.ts';
import type { StepResult } from '../order/step-result.ts';
import type { TraceContext } from '../order/trace/trace-context.ts';

/**
 * What all messages of the {@link TracingMessages | diagnostics channels} have. One object is the message of all events
 * of an operation, so it identifies the operation: what a subscriber keeps of it belongs in a `WeakMap`.
 * Some fields are made when they are read, so read them by name: a spread of a message lacks them.
 *
 * @category Tracing
 */
export interface TracingMessage {
  /** The {@link OrderProcessor}, for subscribers that are interested in one of them. */
  readonly processor: object;
  /** Its name, where several share a storage; see {@link ClusterProcessor.name}. */
  readonly processorName: string | undefined;
  /** What keeps balances and orders: the `kind` of its {@link BalanceStorage}. */
  readonly storage: string | undefined;
}

/**
 * A call that hands an order in, from its beginning until it is certain whether the order is accepted: not until the
 * outcome. A list or a stream has one operation for each of its orders. Channel `order-processor:submit`.
 *
 * @example
 * ```ts
 * import { tracingChannel } from 'node:diagnostics_channel';
 * import { OrderProcessor, type SubmitMessage } from 'order-processor';
 *
 * const { start } = tracingChannel('order-processor:submit');
 * // The order is part of the caller's trace, over restarts and at other processors too.
 * start.subscribe((message) => {
 *   const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
 *   (message as SubmitMessage).traceContext = { traceparent };
 * });
 *
 * await using processor = new OrderProcessor();
 * await processor.submit({ userId: 'ann', amount: 500 });
 * ```
 *
 * @category Tracing
 */
export interface SubmitMessage extends TracingMessage {
  /** The method that was called. */
  readonly method: 'submit' | 'enqueue' | 'submitMany' | 'submitStream' | 'retry';
  /** The order, with its labels from the end of the rules on; `undefined` if the call gave none that can be read. */
  readonly order: AcceptedOrder | undefined;
  /**
   * The trace context that the order is kept with. At `start` it is the one that the caller gave, or that of the order
   * that comes again by `retry`; a subscriber to `start` may set another. It is read when `start` has been published, and
   * dropped if it is not valid. An order whose id is known keeps its own.
   */
  traceContext: TraceContext | undefined;
  /** Of `retry`: the trace context of the order that comes again, if it has one. */
  readonly retried: TraceContext | undefined;
  /**
   * From `asyncStart` on: `'accepted'`; `'known'`, if the order was handed in before with the same id; `'refused'`, with
   * an `error`; `'unknown'`, if the processor was shut down and its storage was silent.
   */
  readonly status: 'accepted' | 'known' | 'refused' | 'unknown' | undefined;
  /** The place of the order in the order of acceptance, once it has one. */
  readonly sequence: number | undefined;
  /** Why the order was refused, or is not known to be accepted. */
  readonly error?: OrderError;
}

/**
 * The processing of an order, from its beginning to its settlement, or to the hold of its lane. Functions of its steps
 * may go on after that, if its time was up or it was canceled. Channel `order-processor:order`.
 *
 * @example
 * ```ts
 * import { tracingChannel } from 'node:diagnostics_channel';
 * import { OrderProcessor, type OrderMessage } from 'order-processor';
 *
 * const { asyncEnd } = tracingChannel('order-processor:order');
 * asyncEnd.subscribe((message) => {
 *   const { order, status, waitMs } = message as OrderMessage;
 *   console.log(order.id, status, waitMs < 1_000); // prints: o-1 completed true
 * });
 *
 * await using processor = new OrderProcessor();
 * await processor.submit({ id: 'o-1', userId: 'ann', amount: 500 });
 * ```
 *
 * @category Tracing
 */
export interface OrderMessage extends TracingMessage {
  /** The order, as its steps see it. */
  readonly order: AcceptedOrder;
  /** The call that handed the order in, if that was in this process and had subscribers. */
  readonly submit: SubmitMessage | undefined;
  /** The trace context that the order was accepted with, in this process or another one. */
  readonly traceContext: TraceContext | undefined;
  /** 1, and 1 more each time the order may have begun before: after restarts, and releases of its lane. */
  readonly attempt: number;
  /** When the order was accepted, in Unix milliseconds. */
  readonly acceptedAt: number;
  /** When its processing began, in Unix milliseconds. */
  readonly startedAt: number;
  /** How long it waited to begin, in milliseconds: since its acceptance or, if that is later, its `notBefore`. */
  readonly waitMs: number;
  /** Its place in the order of acceptance; `undefined` while its settlement is to accept it. */
  readonly sequence: number | undefined;
  /**
   * From `asyncStart` on: the outcome of the order, or why its processing ended in this process without one. `'held'`: it
   * has failed, and holds its lane. `'kept'`: it stays in the storage, for the next start or another processor. `'known'`
   * and `'refused'`: its settlement was to accept it, and did not. `'unknown'`: the processor was shut down, and its
   * storage was silent.
   */
  readonly status:
    | 'completed'
    | 'failed'
    | 'canceled'
    | 'held'
    | 'kept'
    | 'known'
    | 'refused'
    | 'unknown'
    | undefined;
  /** The results of its steps, from `asyncStart` on; empty without an outcome. */
  readonly steps: readonly StepResult[];
  /** Why it did not complete. Its `code` is the error's type. */
  readonly error?: OrderError;
}

/**
 * One attempt at a step or at a compensation. The function is called in the context that subscribers bind to `start`,
 * inside the one that they bind to the order's. Channel `order-processor:step`.
 *
 * @example
 * ```ts
 * import { AsyncLocalStorage } from 'node:async_hooks';
 * import { tracingChannel } from 'node:diagnostics_channel';
 * import { OrderProcessor, type StepMessage } from 'order-processor';
 *
 * const current = new AsyncLocalStorage<string>();
 * const { start } = tracingChannel('order-processor:step');
 * start.bindStore(current, (message) => {
 *   const { step, attempt } = message as StepMessage;
 *   return `${step}, attempt ${attempt}`;
 * });
 *
 * await using processor = new OrderProcessor({
 *   steps: [{ name: 'charge', run: () => console.log(current.getStore()) }],
 * });
 * await processor.submit({ userId: 'ann', amount: 500 }); // prints: charge, attempt 1
 * ```
 *
 * @category Tracing
 */
export interface StepMessage extends TracingMessage {
  /** The order, as its steps see it. */
  readonly order: AcceptedOrder;
  /**
   * The operation of which the attempt is a part; `undefined` if it had no subscribers, and in
   * {@link OrderProcessor.compensate}.
   */
  readonly processing: OrderMessage | undefined;
  /** The name of the step. */
  readonly step: string;
  /** Whether the step is compensated. */
  readonly isCompensation: boolean;
  /** 1 for the first attempt, counted as {@link AttemptContext.attempt} is. */
  readonly attempt: number;
  /** How long the pause before this attempt was planned, in milliseconds; `undefined` before a first attempt. */
  readonly pausedMs: number | undefined;
  /**
   * From `asyncStart` on: `'canceled'` if the order was decided before the attempt ended, and `'left'` if the processor
   * was shut down before that.
   */
  readonly status: 'ok' | 'error' | 'canceled' | 'left' | undefined;
  /** How long the pause after this attempt is planned, in milliseconds; `undefined` if no further attempt follows it. */
  readonly retryInMs: number | undefined;
  /** What the function threw, or the `timeout` of its attempt. */
  readonly error?: unknown;
  /** The code of the `error`: its own, if it has one, else `'internal'`. */
  readonly code: string | undefined;
  /** What the function has returned. */
  readonly result?: unknown;
}

/**
 * A call of the storage that settles orders. A plain {@link MemoryStorage} has none: it takes each order by itself.
 * Channel `order-processor:settle`.
 *
 * @example
 * ```ts
 * import { tracingChannel } from 'node:diagnostics_channel';
 * import { OrderProcessor, type SettleMessage } from 'order-processor';
 * import { SqliteStorage } from 'order-processor/sqlite';
 *
 * const { asyncEnd } = tracingChannel('order-processor:settle');
 * asyncEnd.subscribe((message) => {
 *   const { size, orderIds, error } = message as SettleMessage;
 *   console.log(size, orderIds, error); // prints: 1 [ 'o-1' ] undefined
 * });
 *
 * await using processor = new OrderProcessor({ storage: await SqliteStorage.open('orders.db') });
 * await processor.submit({ id: 'o-1', userId: 'ann', amount: 500 });
 * ```
 *
 * @category Tracing
 */
export interface SettleMessage extends TracingMessage {
  /** How many orders are in the call. */
  readonly size: number;
  /** Their ids; made when it is read. */
  readonly orderIds: readonly string[];
  /** Their operations, of those that had subscribers; made when it is read. */
  readonly processing: readonly OrderMessage[];
  /** Why the call failed: what the storage threw, or that it was not answered when the processor closed. */
  readonly error?: unknown;
}

/**
 * The messages of the library's [tracing channels](https://nodejs.org/api/diagnostics_channel.html#class-tracingchannel),
 * by the names of the channels. Each operation publishes `start` and `end` around what it does at once, and later
 * `asyncStart` and `asyncEnd` around its end, with `error` before these if it failed: each once, in this order.
 *
 * @example
 * ```ts
 * import { tracingChannel } from 'node:diagnostics_channel';
 * import { OrderProcessor, type TracingMessages } from 'order-processor';
 *
 * function listen<Name extends keyof TracingMessages>(
 *   name: Name,
 *   ended: (message: TracingMessages[Name]) => void,
 * ): void {
 *   tracingChannel(name).asyncEnd.subscribe((message) => ended(message as TracingMessages[Name]));
 * }
 * listen('order-processor:submit', ({ method, status }) => console.log(method, status));
 *
 * await using processor = new OrderProcessor();
 * await processor.submit({ userId: 'ann', amount: 500 }); // prints: submit accepted
 * ```
 *
 * @category Tracing
 */
export interface TracingMessages {
  /** A call that hands an order in. */
  'order-processor:submit': SubmitMessage;
  /** The processing of an order. */
  'order-processor:order': OrderMessage;
  /** One attempt at a step or a compensation. */
  'order-processor:step': StepMessage;
  /** A call of the storage that settles orders. */
  'order-processor:settle': SettleMessage;
}
