/**
 * An `OrderProcessor` over gRPC, on ConnectRPC: {@link createOrderRoutes} and {@link serveGrpc}, and the generated
 * messages of the contract, which is in the package as `order-processor/grpc/orders.proto`. It requires the packages
 * `@connectrpc/connect` and `@bufbuild/protobuf`, and {@link serveGrpc} requires
 * `@connectrpc/connect-node`.
 *
 * @module order-processor/grpc
 */

export { type Access, type Authenticate, bearer } from '../server/access.ts';
export type { EventsOptions } from '../server/events/event-feed-options.ts';
export type { ListenOptions, OrderServer } from '../server/listening/listen.ts';
export {
  BadRequestSchema,
  RequestInfoSchema,
  RetryInfoSchema,
} from './gen/google/rpc/error_details_pb.js';
export { Health } from './gen/grpc/health/v1/health_pb.js';
export * from './gen/orderprocessor/v1/orders_pb.js';
export type { OrderServiceOptions } from './options.ts';
export { createOrderRoutes } from './order-service.ts';
export { type ServeGrpcOptions, serveGrpc } from './serve-grpc.ts';
