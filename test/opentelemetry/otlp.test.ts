/** Spans and metrics through the real exporters, as a collector decodes them. */
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { OrderError, OrderProcessor } from 'order-processor';
import { instrument } from 'order-processor/opentelemetry';
import { expect, it } from 'vitest';
import { codeOf, range } from '../kit/helpers.ts';
import { useFolder } from '../sqlite/helpers.ts';
import { OtlpReceiver, type ReceivedMetric, valuesOf } from './otlp-receiver.ts';
import { useContextManager } from './traced-process.ts';

useContextManager();
const folder = useFolder();

/** The values of a metric, by some of its attributes. */
function pointsOf(metric: ReceivedMetric | undefined, ...names: string[]) {
  const data = metric?.sum ?? metric?.gauge ?? metric?.histogram;
  return Object.fromEntries(
    (data?.dataPoints ?? []).map(({ attributes, asDouble, asInt, count }) => {
      const values = valuesOf(attributes);
      const key = names.map((name) => values[name] ?? '-').join(' ');
      return [key, Number(asDouble ?? asInt ?? count)];
    }),
  );
}

it('a collector gets the spans with their links, and the metrics of the conventions beside ours', async () => {
  await using receiver = await OtlpReceiver.start();
  const tracerProvider = new TracerProvider({
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: new OTLPTraceExporter({ url: `${receiver.url}/v1/traces` }),
      }),
    ],
  });
  const meterProvider = new MeterProvider({
    readers: [
      new PeriodicExportingMetricReader({
        exporter: new OTLPMetricExporter({ url: `${receiver.url}/v1/metrics` }),
      }),
    ],
  });
  const processor = new OrderProcessor({
    storage: await folder.open(),
    steps: [
      {
        name: 'charge',
        run: ({ id }) => {
          if (id === 'o-0') throw new OrderError('declined', 'Declined', { retryable: false });
        },
      },
    ],
  });
  const { stop } = instrument(processor, { tracerProvider, meterProvider });
  const submit = (at: number) =>
    codeOf(processor.submit({ id: `o-${at}`, userId: `u-${at % 3}`, amount: 1 }));
  await Promise.all(range(10).map(submit));
  await processor.shutdown();
  await meterProvider.shutdown();
  await tracerProvider.shutdown();
  stop();

  const named = (name: string) => receiver.spans.filter((span) => span.name === name);
  const sent = new Map(
    named('send orders').map((span) => [valuesOf(span.attributes)['messaging.message.id'], span]),
  );
  const processed = named('process orders');
  expect([sent.size, processed.length, named('charge').length]).toEqual([10, 10, 10]);
  for (const { attributes, links = [], status, traceId, spanId } of processed) {
    const values = valuesOf(attributes);
    const { 'messaging.message.id': id } = values;
    const send = sent.get(id);
    expect(links).toMatchObject([{ traceId: send?.traceId, spanId: send?.spanId }]);
    const isFailed = id === 'o-0';
    expect([values['error.type'], status.code ?? 0]).toEqual(
      isFailed ? ['declined', 2] : [undefined, 0],
    );
    const steps = named('charge').filter(({ parentSpanId }) => parentSpanId === spanId);
    expect(steps.map((step) => step.traceId)).toEqual([traceId]);
  }
  expect([...receiver.schemaUrls]).toEqual(['https://opentelemetry.io/schemas/1.45.0']);

  const { metrics } = receiver;
  const [operation, failure] = ['messaging.operation.name', 'error.type'];
  expect(pointsOf(metrics.get('messaging.client.sent.messages'), operation)).toEqual({ send: 10 });
  for (const name of ['messaging.client.consumed.messages', 'messaging.process.duration']) {
    expect(pointsOf(metrics.get(name), operation, failure)).toEqual({
      'process -': 9,
      'process declined': 1,
    });
  }
  const durations = pointsOf(metrics.get('messaging.client.operation.duration'), operation);
  expect(durations).toEqual({ send: 10, settle: named('settle orders').length });
  expect(metrics.get('messaging.process.duration')).toMatchObject({ unit: 's' });
  expect(pointsOf(metrics.get('order_processor_orders_completed_total'))).toEqual({ '': 9 });
  expect(pointsOf(metrics.get('order_processor_orders_failed_total'), 'code')).toMatchObject({
    declined: 1,
  });
});
