import {
  Code,
  ConnectError,
  type ConnectRouter,
  type HandlerContext,
  type ServiceImpl,
} from '@connectrpc/connect';
import type { Order } from '../core/order/order.ts';
import { isOrderError, OrderError } from '../core/order/order-error.ts';
import type { OrderOutcome } from '../core/order/outcome.ts';
import type { OrderProcessor } from '../core/order-processor.ts';
import { checkMethods } from '../core/runtime/checks.ts';
import { type Access, checkMayActFor, checkOperator, everything } from '../server/access.ts';
import { ClientIds } from '../server/client-ids.ts';
import { readerOf } from '../server/events/reader-permits.ts';
import { unlessAborted } from '../server/events/unless-aborted.ts';
import { HttpError, notFound } from '../server/http-error.ts';
import { draining } from '../server/listening/server-draining.ts';
import { unreadable } from '../server/listening/unreadable-body.ts';
import { accessOf, cancelOrder, findOrder } from '../server/order-access.ts';
import { EventStream, type WatchMessage } from './event-stream.ts';
import { Health } from './gen/grpc/health/v1/health_pb.js';
import { OrderService, type SubmitOrdersRequest } from './gen/orderprocessor/v1/orders_pb.js';
import { asConnectError, endOfCall } from './grpc-errors.ts';
import { HealthReporter } from './health.ts';
import { jsonText } from './messages/json-text.ts';
import {
  outcomeMessage,
  receiptMessage,
  recordMessage,
  statsMessage,
} from './messages/messages.ts';
import { pageMessage } from './messages/pages.ts';
import { checkName, orderOf, queryOf } from './messages/requests.ts';
import { type OrderServiceOptions, readOptions, type ServiceSettings } from './options.ts';

/**
 * Serves a processor over gRPC: `orderprocessor.v1.OrderService` and the standard `grpc.health.v1.Health`, as
 * routes for ConnectRPC, which speaks gRPC, gRPC-Web and HTTP with JSON. {@link serveGrpc} serves them; the
 * adapters of ConnectRPC take them too.
 *
 * Errors have the status that fits their code, and an `OrderErrorDetail`: `queue_full` is RESOURCE_EXHAUSTED,
 * `shut_down` and `storage_failed` UNAVAILABLE (all three with `google.rpc.RetryInfo`), `timeout`
 * DEADLINE_EXCEEDED, `canceled` CANCELLED, `invalid_order` INVALID_ARGUMENT (with `google.rpc.BadRequest`),
 * `order_conflict` ALREADY_EXISTS, `internal` INTERNAL; `insufficient_funds`, `balance_overflow` and a rule's
 * codes are FAILED_PRECONDITION, and so is a step's own code, but ABORTED if a new order may succeed.
 *
 * @param processor - stays the caller's
 * @param options - each is checked
 * @returns a function that adds the routes to a router
 * @throws TypeError or RangeError for an option that is unknown, of a wrong type or out of range
 *
 * @example
 * ```ts
 * import { createClient, createRouterTransport } from '@connectrpc/connect';
 * import { OrderProcessor } from 'order-processor';
 * import { createOrderRoutes, OrderService } from 'order-processor/grpc';
 *
 * const processor = new OrderProcessor();
 * const transport = createRouterTransport(createOrderRoutes(processor));
 * const client = createClient(OrderService, transport);
 * const { receipt } = await client.submitOrder({ order: { userId: 'u-1', amount: 1200n } });
 * console.log(receipt?.balance); // prints: 1200n
 * await processor.shutdown();
 * ```
 */
export function createOrderRoutes<Payload = unknown, Input = Payload, Results = unknown>(
  processor: OrderProcessor<Payload, Input, Results>,
  options: OrderServiceOptions = {},
): (router: ConnectRouter) => void {
  checkMethods('processor', processor, ['submit', 'enqueue', 'submitStream', 'stats', 'on']);
  const settings = readOptions(options);
  // Payloads are unchecked here; the processor's `schema` checks them.
  const own = processor as unknown as OrderProcessor;
  const service = new Service(own, settings);
  const health = new HealthReporter(own);
  return (router) => {
    const readMaxBytes = settings.messageLimitBytes;
    router.service(OrderService, service.methods(), { readMaxBytes, jsonOptions });
    router.service(Health, health.methods(), { readMaxBytes, jsonOptions });
  };
}

/** The types lack the decoder; tests hold that it is used. */
const jsonOptions = { textDecoder: jsonText } as object;

const allIds = new ClientIds(everything);

class Service {
  readonly #processor: OrderProcessor;
  readonly #settings: ServiceSettings;
  readonly #events: EventStream;

  constructor(processor: OrderProcessor, settings: ServiceSettings) {
    this.#processor = processor;
    this.#settings = settings;
    this.#events = new EventStream(processor, settings.events);
  }

  methods(): ServiceImpl<typeof OrderService> {
    const processor = this.#processor;
    return {
      submitOrder: (request, context) =>
        this.#answer(context, async (access, ids) => {
          const order = ids.order(this.#orderFor(access, request.order));
          const { signal } = context;
          const receipt = await processor.submit(order, { signal });
          return { receipt: receiptMessage(ids.receipt(receipt)) };
        }),
      enqueueOrder: (request, context) =>
        this.#answer(context, async (access, ids) => {
          const order = ids.order(this.#orderFor(access, request.order));
          const { signal } = context;
          const record = await processor.enqueue(order, { signal });
          return { record: recordMessage(ids.record(record)) };
        }),
      submitOrders: (requests, context) => this.#submitOrders(requests, context),
      getOrder: ({ id, userId }, context) =>
        this.#answer(context, async (_, ids) => {
          checkName('id', id);
          if (userId !== undefined) checkName('user_id', userId);
          const record = await findOrder(processor, ids, { id, userId });
          return { record: recordMessage(ids.record(record)) };
        }),
      listOrders: (request, context) =>
        this.#answer(context, async (access, ids) => {
          const query = queryOf(request);
          checkMayActFor(access, query.userId);
          return await pageMessage(processor, query, ids);
        }),
      cancelOrder: ({ id, userId }, context) =>
        this.#answer(context, async (_, ids) => {
          checkName('id', id);
          if (userId !== undefined) checkName('user_id', userId);
          const record = await cancelOrder(processor, ids, { id, userId });
          return { record: recordMessage(ids.record(record)) };
        }),
      getBalance: ({ userId }, context) =>
        this.#answer(context, async (access) => {
          checkName('user_id', userId);
          checkMayActFor(access, userId);
          const balance = await processor.balance(userId);
          if (balance === undefined) throw notFound('There is no such user');
          return { balance: BigInt(balance) };
        }),
      getStats: (_request, context) =>
        this.#answer(context, (access) => {
          checkOperator(access);
          return statsMessage(processor.stats());
        }),
      watchOrders: (request, context) => this.#watchOrders(request, context),
    };
  }

  async #answer<T>(
    context: HandlerContext,
    work: (access: Access, ids: ClientIds) => T | Promise<T>,
  ): Promise<T> {
    let ids = allIds;
    try {
      const access = await this.#access(context);
      ids = new ClientIds(access);
      return await work(access, ids);
    } catch (error) {
      throw this.#refuse(error, context, ids);
    }
  }

  #refuse(error: unknown, { signal }: HandlerContext, ids = allIds): Error {
    const shown = ids.error(error);
    // The deadline of a call cancels its order.
    if (signal.aborted && signal.reason instanceof ConnectError) {
      return endOfCall(signal.reason, shown);
    }
    const refusal = asConnectError(shown);
    if (refusal.code === Code.Internal) this.#settings.onError(error);
    return refusal;
  }

  async #access(context: HandlerContext): Promise<Access> {
    const { url, requestHeader: headers } = context;
    return accessOf(
      this.#settings.authenticate,
      () => new Request(url, { headers, method: 'POST' }),
    );
  }

  #orderFor(access: Access, message: SubmitOrdersRequest['order']): Order {
    const order = orderOf(message);
    checkMayActFor(access, order.userId);
    return order;
  }

  async *#submitOrders(
    requests: AsyncIterable<SubmitOrdersRequest>,
    context: HandlerContext,
  ): AsyncGenerator<ReturnType<typeof outcomeMessage>> {
    try {
      const access = await this.#access(context);
      const ids = new ClientIds(access);
      const outcomes = this.#processor.submitStream(this.#ordersOf(requests, access));
      let index = 0;
      for await (const each of outcomes) {
        const outcome = withOwnError(each);
        if (outcome.status !== 'completed' && outcome.error.code === 'internal') {
          this.#settings.onError(outcome.error);
        }
        yield outcomeMessage(ids.outcome(outcome), index);
        index += 1;
      }
    } catch (error) {
      throw this.#refuse(error, context);
    }
  }

  async *#ordersOf(
    requests: AsyncIterable<SubmitOrdersRequest>,
    access: Access,
  ): AsyncGenerator<Order> {
    const { signal } = draining(this.#processor);
    const iterator = requests[Symbol.asyncIterator]();
    for (;;) {
      // A server that closes reads no more orders, and lets those that it has read end.
      const next = await unlessAborted(iterator.next(), signal);
      if (next === undefined || next.done === true) return;
      yield this.#orderOrError(access, next.value.order);
    }
  }

  #orderOrError(access: Access, message: SubmitOrdersRequest['order']): Order {
    try {
      return new ClientIds(access).order(this.#orderFor(access, message));
    } catch (error) {
      if (isOrderError(error) || error instanceof HttpError) return unreadable(error);
      return unreadable(new OrderError('internal', 'Something went wrong', { cause: error }));
    }
  }

  async *#watchOrders(
    { userId, lastEventId }: { userId?: string | undefined; lastEventId?: string | undefined },
    context: HandlerContext,
  ): AsyncGenerator<WatchMessage> {
    try {
      const access = await this.#access(context);
      if (userId === undefined) checkOperator(access);
      else {
        checkName('user_id', userId);
        checkMayActFor(access, userId);
      }
      const isScoped = userId !== undefined && new ClientIds(access).isScoped;
      const reader = readerOf(access, userId);
      const wanted = { userId, lastEventId, isScoped, reader };
      yield* this.#events.watch(wanted, context.signal);
      context.signal.throwIfAborted();
    } catch (error) {
      throw this.#refuse(error, context);
    }
  }
}

/** Replaces the error of a message that was no order by its cause. */
function withOwnError(outcome: OrderOutcome): OrderOutcome {
  if (outcome.status !== 'refused') return outcome;
  const { cause } = outcome.error;
  if (isOrderError(cause)) return { status: 'refused', error: cause };
  if (!(cause instanceof HttpError)) return outcome;
  const error = new OrderError(cause.code, cause.message, { retryable: false });
  return { status: 'refused', error };
}
