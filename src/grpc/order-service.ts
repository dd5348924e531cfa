import type { ConnectRouter } from '@connectrpc/connect';
import type { OrderProcessor } from '../core/order-processor.ts';
import { checkMethods } from '../core/runtime/checks.ts';
import { Health } from './gen/grpc/health/v1/health_pb.js';
import { OrderService } from './gen/orderprocessor/v1/orders_pb.js';
import { HealthReporter } from './health.ts';
import { jsonText } from './messages/json-text.ts';
import { type OrderServiceOptions, readOptions } from './options.ts';
import { Calls } from './service/calls.ts';
import { operatorMethods } from './service/operator-methods.ts';
import { orderMethods } from './service/order-methods.ts';
import { userMethods } from './service/user-methods.ts';

/**
 * Serves a processor over gRPC: `orderprocessor.v1.OrderService` and the standard `grpc.health.v1.Health`, as
 * routes for ConnectRPC, which speaks gRPC, gRPC-Web and HTTP with JSON. {@link serveGrpc} serves them; the
 * adapters of ConnectRPC take them too.
 *
 * Errors have the status that fits their code, and an `OrderErrorDetail`: `queue_full` is RESOURCE_EXHAUSTED,
 * `shut_down` and `storage_failed` UNAVAILABLE (all three with `google.rpc.RetryInfo`), `timeout`
 * DEADLINE_EXCEEDED, `canceled` CANCELLED, `invalid_order` INVALID_ARGUMENT (with `google.rpc.BadRequest`),
 * `order_conflict` ALREADY_EXISTS, `internal` INTERNAL; `insufficient_funds`, `balance_overflow` and a rule's
 * codes are FAILED_PRECONDITION, and so is a step's own code, but ABORTED if a new order may succeed. Where the metadata
 * of a call has a valid `traceparent`, its error has the id of the trace too, as `request_id` of a `google.rpc.RequestInfo`.
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
  const calls = new Calls(settings);
  const methods = {
    ...orderMethods(own, calls),
    ...userMethods(own, calls),
    ...operatorMethods(own, calls),
  };
  const health = new HealthReporter(own);
  return (router) => {
    const readMaxBytes = settings.messageLimitBytes;
    router.service(OrderService, methods, { readMaxBytes, jsonOptions });
    router.service(Health, health.methods(), { readMaxBytes, jsonOptions });
  };
}

/** The types lack the decoder; tests hold that it is used. */
const jsonOptions = { textDecoder: jsonText } as object;
