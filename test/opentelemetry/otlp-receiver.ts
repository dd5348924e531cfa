import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { createGunzip } from 'node:zlib';

/** A value as OTLP has it in JSON. */
interface AnyValue {
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly intValue?: number | string;
  readonly doubleValue?: number;
  readonly arrayValue?: { readonly values: readonly AnyValue[] };
}

interface KeyValue {
  readonly key: string;
  readonly value: AnyValue;
}

interface Scope {
  readonly name: string;
  readonly version?: string;
}

/** What the tests look at in a span. */
export interface ReceivedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly kind: number;
  readonly status: { readonly code?: number };
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly events?: readonly { readonly name: string }[];
  readonly attributes: readonly KeyValue[];
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
}

/** What the tests look at in a metric. */
export interface ReceivedMetric {
  readonly name: string;
  readonly unit?: string;
  readonly sum?: { readonly dataPoints: readonly Point[]; readonly isMonotonic: boolean };
  readonly gauge?: { readonly dataPoints: readonly Point[] };
  readonly histogram?: { readonly dataPoints: readonly Point[] };
}

interface Point {
  readonly attributes?: readonly KeyValue[];
  readonly asDouble?: number;
  readonly asInt?: number | string;
  readonly count?: number | string;
}

interface TraceRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scopeSpans: readonly {
      readonly scope: Scope;
      readonly schemaUrl?: string;
      readonly spans: readonly ReceivedSpan[];
    }[];
  }[];
}

interface MetricsRequest {
  readonly resourceMetrics: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scopeMetrics: readonly {
      readonly scope: Scope;
      readonly schemaUrl?: string;
      readonly metrics: readonly ReceivedMetric[];
    }[];
  }[];
}

/** A collector of OTLP over HTTP that keeps what it gets. */
export class OtlpReceiver {
  readonly spans: ReceivedSpan[] = [];
  /** As the last request had them: they are cumulative. */
  readonly metrics = new Map<string, ReceivedMetric>();
  readonly schemaUrls = new Set<string | undefined>();
  readonly services = new Set<string | undefined>();
  /** What requests came with, by their paths; as the last one had it. */
  readonly headers = new Map<string | undefined, IncomingHttpHeaders>();
  /** The attributes of the resource whose metrics came last. */
  resource: Readonly<Record<string, unknown>> = {};
  readonly #server: Server;

  static async start(): Promise<OtlpReceiver> {
    const receiver = new OtlpReceiver();
    await new Promise<void>((resolve) => {
      receiver.#server.listen(0, '127.0.0.1', resolve);
    });
    return receiver;
  }

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#take(request).then(
        (isTaken) => {
          response.writeHead(isTaken ? 200 : 404, { 'content-type': 'application/json' });
          response.end('{}');
        },
        () => {
          response.writeHead(400);
          response.end();
        },
      );
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #take(request: IncomingMessage): Promise<boolean> {
    this.headers.set(request.url, request.headers);
    const isZipped = request.headers['content-encoding'] === 'gzip';
    const body = JSON.parse(await text(isZipped ? request.pipe(createGunzip()) : request));
    if (request.url === '/v1/traces') this.#takeSpans(body as TraceRequest);
    else if (request.url === '/v1/metrics') this.#takeMetrics(body as MetricsRequest);
    else return false;
    return true;
  }

  #takeSpans({ resourceSpans }: TraceRequest): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      this.services.add(valuesOf(resource.attributes)['service.name'] as string | undefined);
      for (const { scope, schemaUrl, spans } of scopeSpans) {
        this.spans.push(...spans);
        if (scope.name === 'order-processor') this.schemaUrls.add(schemaUrl);
      }
    }
  }

  #takeMetrics({ resourceMetrics }: MetricsRequest): void {
    for (const { resource } of resourceMetrics) this.resource = valuesOf(resource.attributes);
    for (const { scope, schemaUrl, metrics } of resourceMetrics.flatMap(
      ({ scopeMetrics }) => scopeMetrics,
    )) {
      for (const each of metrics) this.metrics.set(each.name, each);
      if (scope.name === 'order-processor') this.schemaUrls.add(schemaUrl);
    }
  }
}

/** Attributes as an object. */
export function valuesOf(attributes: readonly KeyValue[] = []): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, plainOf(value)]));
}

function plainOf(value: AnyValue): unknown {
  if (value.intValue !== undefined) return Number(value.intValue);
  if (value.arrayValue !== undefined) return value.arrayValue.values.map(plainOf);
  return value.stringValue ?? value.boolValue ?? value.doubleValue;
}
