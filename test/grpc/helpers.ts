import { fromBinary } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { type Any, AnySchema, anyUnpack } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import {
  type CallOptions,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  loadPackageDefinition,
  Metadata,
  type ServiceClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { OrderProcessor, type OrderProcessorOptions } from 'order-processor';
import {
  BadRequestSchema,
  createOrderRoutes,
  Health,
  OrderErrorDetailSchema,
  type OrderServer,
  OrderService,
  type OrderServiceOptions,
  RequestInfoSchema,
  RetryInfoSchema,
  type ServeGrpcOptions,
  serveGrpc,
} from 'order-processor/grpc';
import { afterEach, expect } from 'vitest';

// biome-ignore lint/suspicious/noExplicitAny: what a test looks into is what it asserts.
export type Json = any;

const protos = new URL('../../src/grpc/proto', import.meta.url).pathname;

/** The contract as clients of other make read it: by protobuf.js, from the file that is published. */
const loaded = loadPackageDefinition(
  loadSync(['orderprocessor/v1/orders.proto', 'grpc/health/v1/health.proto'], {
    includeDirs: [protos],
    longs: String,
    enums: String,
    oneofs: true,
    defaults: true,
  }),
) as Json;

type Call = (request: Json, done: (error: ServiceError | null, response: Json) => void) => void;

/** A client that knows nothing of this library: of `@grpc/grpc-js`. */
export class GrpcClient {
  readonly orders: Json;
  readonly health: Json;

  constructor(port: number, options: Json = {}) {
    const make = (Service: ServiceClientConstructor): Json =>
      new Service(`127.0.0.1:${port}`, credentials.createInsecure(), options);
    this.orders = make(loaded.orderprocessor.v1.OrderService);
    this.health = make(loaded.grpc.health.v1.Health);
  }

  /** One call of one answer. Rejects with a `ServiceError`. */
  call(
    method: string,
    request: Json,
    options: CallOptions = {},
    headers: Record<string, string> = {},
  ): Promise<Json> {
    const client = method === 'check' ? this.health : this.orders;
    return new Promise((resolve, reject) => {
      const answer: Parameters<Call>[1] = (error, response) =>
        error === null ? resolve(response) : reject(error);
      client[method](request, metadata(headers), options, answer);
    });
  }

  watchOrders(request: Json = {}, headers = {}): ClientReadableStream<Json> {
    return this.orders.watchOrders(request, metadata(headers));
  }

  submitOrders(options: CallOptions = {}): ClientDuplexStream<Json, Json> {
    return this.orders.submitOrders(new Metadata(), options);
  }

  close(): void {
    this.orders.close();
    this.health.close();
  }
}

function metadata(headers: Record<string, string>): Metadata {
  const made = new Metadata();
  for (const [name, value] of Object.entries(headers)) made.set(name, value);
  return made;
}

interface Start {
  readonly processor?: OrderProcessorOptions | undefined;
  readonly routes?: OrderServiceOptions | undefined;
  readonly server?: ServeGrpcOptions | undefined;
}

export type Running = Awaited<ReturnType<ReturnType<typeof useServers>>>;

/** Servers on ports that the system chooses, and clients of them; all closed after each test. */
export function useServers() {
  const ends: (() => unknown)[] = [];
  afterEach(async () => {
    await Promise.all(ends.splice(0).map((end) => end()));
  });
  return async ({ processor: settings = {}, routes = {}, server: listen = {} }: Start = {}) => {
    const processor = new OrderProcessor(settings);
    const errors: unknown[] = [];
    const onError = (error: unknown): unknown => errors.push(error);
    const made = createOrderRoutes(processor, { onError, ...routes });
    const options = { processor, port: 0, signals: [], shutdownTimeoutMs: 2_000, ...listen };
    const server: OrderServer = await serveGrpc(made, options);
    const grpc = new GrpcClient(server.port);
    const transport = createGrpcTransport({ baseUrl: server.url });
    ends.push(() => {
      grpc.close();
      return server.close();
    });
    return {
      processor,
      errors,
      server,
      grpc,
      client: createClient(OrderService, transport),
      health: createClient(Health, transport),
      json: (
        method: string,
        body: unknown,
        headers: Record<string, string> = {},
      ): Promise<Omit<Response, 'json'> & { json(): Promise<Json> }> =>
        fetch(`${server.url}/orderprocessor.v1.OrderService/${method}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: typeof body === 'string' ? body : JSON.stringify(body),
        }),
    };
  };
}

/** What an error of `@grpc/grpc-js` carries in `grpc-status-details-bin`. */
export function detailsOf({ metadata }: ServiceError) {
  const [bytes] = metadata.get('grpc-status-details-bin');
  const details = bytes === undefined ? [] : anysOf(bytes as Buffer);
  const one = <T>(unpack: (any: Any) => T | undefined): T | undefined =>
    details.map(unpack).find((found) => found !== undefined);
  return {
    order: one((any) => anyUnpack(any, OrderErrorDetailSchema)),
    retry: one((any) => anyUnpack(any, RetryInfoSchema)),
    request: one((any) => anyUnpack(any, RequestInfoSchema)),
    badRequest: one((any) => anyUnpack(any, BadRequestSchema)),
  };
}

/** The third field of `google.rpc.Status`. */
function anysOf(bytes: Uint8Array): Any[] {
  const reader = new BinaryReader(bytes);
  const anys: Any[] = [];
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 3) anys.push(fromBinary(AnySchema, reader.bytes()));
    else reader.skip(type);
  }
  return anys;
}

/** The error that a call of `@grpc/grpc-js` ends with; anything else fails the test. */
export async function refusalOf(call: Promise<unknown>): Promise<ServiceError> {
  const error = await call.then(
    (value) => new Error(`Expected a refusal, got ${JSON.stringify(value)}`),
    (thrown) => thrown as ServiceError,
  );
  expect(error).toHaveProperty('metadata');
  return error as ServiceError;
}

/** The status that a call of ConnectRPC ends with, by its name. */
export async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'Ok';
  } catch (error) {
    return error instanceof ConnectError ? (Code[error.code] ?? '') : `no ConnectError: ${error}`;
  }
}

/** Resolves when this holds, looked at whenever something may have happened. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
}
