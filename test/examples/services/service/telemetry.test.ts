/** The service exports over OTLP where the usual variables say so, and its log names the spans. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { OtlpReceiver, valuesOf } from '../../../opentelemetry/otlp-receiver.ts';
import { Life } from './life.ts';

const folder = mkdtempSync(join(tmpdir(), 'order-service-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';

/** Hands in an order of one client as part of a trace, and waits for its outcome. */
function post(url: string, id: string): Promise<Response> {
  return fetch(`${url}/orders`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      prefer: 'wait=5',
      traceparent: `00-${traceId}-${spanId}-01`,
    },
    body: JSON.stringify({ id, userId: 'ann', amount: 500, payload: { card: 'visa' } }),
  });
}

it('a collector gets the spans below the request, and the log has their ids', {
  timeout: 30_000,
}, async () => {
  await using receiver = await OtlpReceiver.start();
  const env = {
    DATA_DIR: folder,
    LOG_LEVEL: 'debug',
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_SERVICE_NAME: 'shop',
  };
  using life = new Life({ env });
  const { url } = await life.listening();
  const response = await post(url, 'o-1');
  expect(response.status).toBe(200);
  const completed = await life.entry('completed');
  expect(await life.signal('SIGTERM')).toEqual([0, null]);
  expect(life.errors).toBe('');

  const named = (name: string) => receiver.spans.filter((span) => span.name === name);
  const [[send], [processed]] = [named('send orders'), named('process orders')];
  expect([send?.traceId, send?.parentSpanId]).toEqual([traceId, spanId]);
  expect(processed?.links).toMatchObject([{ traceId, spanId: send?.spanId }]);
  expect(named('reserve').map(({ parentSpanId }) => parentSpanId)).toEqual([processed?.spanId]);
  expect([...receiver.services]).toEqual(['shop']);
  const metric = receiver.metrics.get('order_processor_orders_completed_total');
  expect(metric?.sum?.dataPoints.map(({ attributes }) => valuesOf(attributes))).toEqual([{}]);

  const idsIn = ({ trace_id, span_id }: Record<string, unknown>) => [trace_id, span_id];
  expect(idsIn(await life.entry('accepted'))).toEqual([traceId, send?.spanId]);
  expect(idsIn(completed)).toEqual([processed?.traceId, processed?.spanId]);
});

/** What a collector has, and what the log says of an order, when a service with these variables has ended. */
async function lived(variables: (endpoint: string) => Record<string, string>) {
  await using receiver = await OtlpReceiver.start();
  const env = {
    DATA_DIR: mkdtempSync(join(folder, 'data-')),
    LOG_LEVEL: 'debug',
    ...variables(receiver.url),
  };
  using life = new Life({ env });
  const { url } = await life.listening();
  // The second one gets the outcome of the first, whose lines of the log are not changed by it.
  const answers = await Promise.all([post(url, 'o-1'), post(url, 'o-1')]);
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  const { trace_id } = await life.entry('completed');
  expect(await life.signal('SIGTERM')).toEqual([0, null]);
  const names = [...receiver.metrics.keys()].filter((name) => name.startsWith('order_processor_'));
  return { receiver, trace_id, hasMetrics: names.length > 0, errors: life.errors };
}

it('heeds the usual variables of OpenTelemetry', { timeout: 60_000 }, async () => {
  const [sampled, alone, disabled] = await Promise.all([
    lived((endpoint) => ({
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_EXPORTER_OTLP_HEADERS: 'api-key=1234',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0',
      OTEL_METRIC_EXPORT_INTERVAL: '200',
    })),
    lived((endpoint) => ({
      OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: `${endpoint}/v1/metrics`,
      OTEL_TRACES_EXPORTER: 'none',
    })),
    lived((endpoint) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SDK_DISABLED: 'true' })),
  ]);
  expect([sampled, alone, disabled].map(({ errors }) => errors)).toEqual(['', '', '']);
  // The trace of the request is sampled, and none that begins here.
  expect(sampled.receiver.spans.map(({ name }) => name)).toEqual(Array(2).fill('send orders'));
  expect(sampled.receiver.headers.get('/v1/traces')).toMatchObject({ 'api-key': '1234' });
  expect(sampled.receiver.resource).toMatchObject({
    'service.name': 'order-service',
    'deployment.environment.name': 'test',
  });
  expect([sampled.hasMetrics, sampled.trace_id]).toEqual([
    true,
    expect.stringMatching(/^[\da-f]{32}$/),
  ]);
  // Without spans of its own, the log names the trace of the request.
  expect([alone.hasMetrics, alone.trace_id]).toEqual([true, traceId]);
  expect([...alone.receiver.headers.keys()]).toEqual(['/v1/metrics']);
  expect([disabled.hasMetrics, disabled.trace_id]).toEqual([false, undefined]);
  expect([...disabled.receiver.headers.keys()]).toEqual([]);
});
