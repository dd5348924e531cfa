/**
 * Exports traces and metrics over OTLP, by the usual variables of OpenTelemetry. Loaded only if one of them says where to:
 * the SDK takes time and memory.
 */
import { tracingChannel } from 'node:diagnostics_channel';
import { context, metrics, type SpanContext, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import type { OrderMessage, OrderProcessor, SubmitMessage } from 'order-processor';
import { instrument } from 'order-processor/opentelemetry';
import type { TraceIds, TraceIdsOf } from './logs.ts';

/** What was begun for one processor. */
export interface Telemetry {
  /** For the log. */
  readonly traceIdsOf: TraceIdsOf;
  /** Sends what there is, and ends. */
  close(): Promise<void>;
}

export function startTelemetry<P, I, R>(
  processor: OrderProcessor<P, I, R>,
  env: NodeJS.ProcessEnv,
): Telemetry {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const resource = defaultResource()
    .merge(resourceFromAttributes({ 'service.name': 'order-service' }))
    .merge(detectResources({ detectors: [envDetector] }));
  const hasSpans = env.OTEL_TRACES_EXPORTER !== 'none';
  const hasMetrics = env.OTEL_METRICS_EXPORTER !== 'none';
  const tracerProvider = new TracerProvider({
    resource,
    sampler: samplerOf(env),
    spanProcessors: hasSpans ? [new BatchSpanProcessor({ exporter: new OTLPTraceExporter() })] : [],
  });
  const meterProvider = new MeterProvider({ resource, readers: hasMetrics ? [readerOf(env)] : [] });
  trace.setGlobalTracerProvider(tracerProvider);
  metrics.setGlobalMeterProvider(meterProvider);
  const instrumentation = instrument(processor, { spans: hasSpans, metrics: hasMetrics });
  return {
    traceIdsOf: traceIdsOf(processor),
    close: async () => {
      // A collector that does not answer delays the end by its timeout, and fails nothing.
      await Promise.allSettled([meterProvider.shutdown(), tracerProvider.shutdown()]);
      instrumentation.stop();
    },
  };
}

/** By `OTEL_METRIC_EXPORT_INTERVAL`, in milliseconds. */
function readerOf({ OTEL_METRIC_EXPORT_INTERVAL }: NodeJS.ProcessEnv) {
  const exportIntervalMillis = Number(OTEL_METRIC_EXPORT_INTERVAL || 60_000);
  return new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter(),
    exportIntervalMillis,
    exportTimeoutMillis: Math.min(30_000, exportIntervalMillis),
  });
}

/** By `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`; `parentbased_always_on` by default. */
function samplerOf({
  OTEL_TRACES_SAMPLER = '',
  OTEL_TRACES_SAMPLER_ARG = '1',
}: NodeJS.ProcessEnv): Sampler {
  const name = OTEL_TRACES_SAMPLER.replace('parentbased_', '');
  const ratio = Number(OTEL_TRACES_SAMPLER_ARG);
  const root =
    name === 'always_off'
      ? new AlwaysOffSampler()
      : name === 'traceidratio'
        ? new TraceIdRatioBasedSampler(ratio)
        : new AlwaysOnSampler();
  const isAlone = OTEL_TRACES_SAMPLER !== '' && name === OTEL_TRACES_SAMPLER;
  return isAlone ? root : new ParentBasedSampler({ root });
}

/** The spans of the orders that are under way, by id: `send` until an order begins, and `process` then. */
function traceIdsOf(processor: object): TraceIdsOf {
  const known = new Map<string, TraceIds>();
  const submits = tracingChannel<unknown, SubmitMessage>('order-processor:submit');
  const orders = tracingChannel<unknown, OrderMessage>('order-processor:order');
  /** What a call has added that hands an order in; none if an order with its id is under way. */
  const added = new WeakMap<object, TraceIds>();
  // Events of its end come in the same turn.
  const forget = (id: string): void => void setImmediate(() => known.delete(id));
  submits.start.subscribe((message) => {
    const { processor: of, order, traceContext } = message as SubmitMessage;
    if (of !== processor || order === undefined || traceContext === undefined) return;
    const [, trace_id = '', span_id = ''] = traceContext.traceparent.split('-');
    if (known.has(order.id)) return;
    const ids = { trace_id, span_id };
    known.set(order.id, ids);
    added.set(message as object, ids);
  });
  submits.asyncEnd.subscribe((message) => {
    const { order, status } = message as SubmitMessage;
    const ids = added.get(message as object);
    if (order === undefined || ids === undefined || status === 'accepted') return;
    if (known.get(order.id) === ids) forget(order.id);
  });
  orders.start.subscribe((message) => {
    const { processor: of, order } = message as OrderMessage;
    const span = trace.getSpanContext(context.active());
    if (of === processor && span !== undefined) known.set(order.id, idsOf(span));
  });
  orders.asyncEnd.subscribe((message) => {
    const { processor: of, order } = message as OrderMessage;
    if (of === processor) forget(order.id);
  });
  return (orderId) => known.get(orderId);
}

function idsOf({ traceId, spanId }: SpanContext): TraceIds {
  return { trace_id: traceId, span_id: spanId };
}
