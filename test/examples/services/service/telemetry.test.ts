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
  const order = { id: 'o-1', userId: 'ann', amount: 500, payload: { card: 'visa' } };
  const response = await fetch(`${url}/orders`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      prefer: 'wait=5',
      traceparent: `00-${traceId}-${spanId}-01`,
    },
    body: JSON.stringify(order),
  });
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
