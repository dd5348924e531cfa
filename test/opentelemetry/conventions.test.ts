/** Spans and metrics, point by point, against the semantic conventions of messaging in the version that they name. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SpanKind } from '@opentelemetry/api';
import { DataPointType } from '@opentelemetry/sdk-metrics';
import { OrderError, OrderProcessor } from 'order-processor';
import { instrument } from 'order-processor/opentelemetry';
import { describe, expect, it } from 'vitest';
import { attribute, metric, schemaUrl } from '../../src/opentelemetry/conventions.ts';
import { codeOf } from '../kit/helpers.ts';
import { KeptStorage } from '../kit/kept-storage.ts';
import { CollectedMetrics } from './collected-metrics.ts';
import { linksOf, TracedProcess, useContextManager } from './traced-process.ts';

useContextManager();

const order = { id: 'o-1', userId: 'ann', amount: 1 };
const traceContext = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' };

const published = new URL(
  '../../node_modules/@opentelemetry/semantic-conventions/',
  import.meta.url,
);
const textOf = (path: string) => readFileSync(fileURLToPath(new URL(path, published)), 'utf8');

/** The names that are current, by their declarations and what these say of them. */
function currentNames(): Set<string> {
  const files = ['stable_attributes', 'experimental_attributes', 'experimental_metrics'];
  const declared =
    /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*declare const (?:ATTR|METRIC)_\w+: "([^"]+)";/g;
  const names = files.flatMap((file) =>
    [...textOf(`dist/${file}.d.mts`).matchAll(declared)]
      .filter(([, comment]) => !comment?.includes('@deprecated'))
      .map(([, , name]) => name as string),
  );
  return new Set(names);
}

it('names are current ones of the version that the schema URL says', () => {
  const { version } = JSON.parse(textOf('package.json'));
  expect(schemaUrl).toBe(`https://opentelemetry.io/schemas/${version}`);
  const current = currentNames();
  const used = [...Object.values(attribute), ...Object.values(metric)];
  expect(used.filter((name) => !current.has(name))).toEqual([]);
});

describe('the context that an order carries', () => {
  it.each([
    [true, 'PRODUCER', 'send'],
    [false, 'CLIENT', 'caller'],
  ])(
    'makes `send` a producer if it is its own (propagation: %s)',
    async (propagation, kind, creator) => {
      const process = new TracedProcess();
      await using processor = new OrderProcessor({ storage: new KeptStorage() });
      using _ = instrument(processor, { tracerProvider: process.provider, propagation });
      await processor.submit({ ...order, traceContext });
      await processor.shutdown();
      const [send, processed] = [process.one('send orders'), process.one('process orders')];
      const creation = creator === 'send' ? send.spanContext().spanId : 'b7ad6b7169203331';
      expect(SpanKind[send.kind]).toBe(kind);
      expect(linksOf(processed)).toEqual([creation]);
      // What a caller gave is no own context: the span that sends it is linked to it.
      expect(linksOf(send)).toEqual(creator === 'send' ? [] : [creation]);
    },
  );
});

it('metrics have the instruments, units, descriptions, buckets and attributes of the conventions', async () => {
  await using metrics = new CollectedMetrics();
  await using processor = new OrderProcessor({
    storage: new KeptStorage(),
    steps: [
      {
        name: 'charge',
        run: ({ id }) => {
          if (id === 'o-2') throw new OrderError('declined', 'Declined', { retryable: false });
        },
      },
    ],
  });
  using _ = instrument(processor, {
    meterProvider: metrics.provider,
    attributes: { region: 'eu' },
  });
  await processor.submit(order);
  await codeOf(processor.submit({ ...order, id: 'o-2' }));
  const all = await metrics.read();
  const described = [...all.values()]
    .filter(({ descriptor }) => descriptor.name.startsWith('messaging.'))
    .map(({ descriptor, dataPointType, dataPoints, ...rest }) => {
      const { name, unit, description } = descriptor;
      const isMonotonic = 'isMonotonic' in rest && rest.isMonotonic;
      const type = `${DataPointType[dataPointType]}${isMonotonic ? ', rising' : ''}`;
      const values = dataPoints.map(({ value }) => value as { buckets?: { boundaries: number[] } });
      return { name, type, unit, description, boundaries: values[0]?.buckets?.boundaries };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const boundaries = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
  const durations = { type: 'HISTOGRAM', unit: 's', boundaries };
  const counts = { type: 'SUM, rising', unit: '{message}', boundaries: undefined };
  expect(described).toEqual([
    {
      ...counts,
      name: 'messaging.client.consumed.messages',
      description: 'Number of messages that were delivered to the application.',
    },
    {
      ...durations,
      name: 'messaging.client.operation.duration',
      description: 'Duration of messaging operation initiated by a producer or consumer client.',
    },
    {
      ...counts,
      name: 'messaging.client.sent.messages',
      description: 'Number of messages producer attempted to send to the broker.',
    },
    {
      ...durations,
      name: 'messaging.process.duration',
      description: 'Duration of processing operation.',
    },
  ]);
  const attributesOf = (name: string) => all.get(name)?.dataPoints.map((point) => point.attributes);
  const of = (operation: string, more = {}) => ({
    'messaging.system.name': 'order_processor',
    'messaging.destination.name': 'orders',
    'messaging.operation.name': operation,
    'messaging.operation.type': operation,
    ...{ region: 'eu', ...more },
  });
  const declined = { 'error.type': 'declined' };
  expect(attributesOf('messaging.client.sent.messages')).toEqual([of('send')]);
  // Processing has a metric of its own.
  expect(attributesOf('messaging.client.operation.duration')).toEqual([of('send'), of('settle')]);
  for (const name of ['messaging.client.consumed.messages', 'messaging.process.duration']) {
    expect(attributesOf(name)).toEqual([of('process'), of('process', declined)]);
  }
});
