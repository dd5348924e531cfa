/**
 * A delivery as OpenTelemetry sees it: the request that hands the order in, its processing with every attempt at a step and
 * what the steps call, and the call that settles it. The spans stay in memory and are printed as trees; a service would
 * export them over OTLP.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { context, SpanKind } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { OrderError, OrderProcessor, type Step } from 'order-processor';
import { instrument } from 'order-processor/opentelemetry';
import { SqliteStorage } from 'order-processor/sqlite';

// What the program's own set-up of OpenTelemetry does.
const exporter = new InMemorySpanExporter();
const tracerProvider = new TracerProvider({
  spanProcessors: [new SimpleSpanProcessor({ exporter })],
});
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
const tracer = tracerProvider.getTracer('delivery');

/** A call to another service, as an instrumented client makes it: below the span that is active. */
async function call(name: string, ms: number): Promise<void> {
  await tracer.startActiveSpan(name, { kind: SpanKind.CLIENT }, async (span) => {
    await sleep(ms);
    span.end();
  });
}

const payment: Step = {
  name: 'payment',
  retry: { attempts: 3, delayMs: 40, jitter: false },
  async run(_order, { attempt }) {
    await call('POST /charges', 30);
    if (attempt === 1) throw new OrderError('bank_busy', 'The bank is busy');
  },
};
const vendor: Step = { name: 'vendor', run: () => call('POST /kitchen', 80) };
const courier: Step = {
  name: 'courier',
  after: ['payment', 'vendor'],
  run: () => call('POST /couriers', 50),
};

const folder = mkdtempSync(join(tmpdir(), 'tracing-'));
const processor = new OrderProcessor({
  storage: await SqliteStorage.open(join(folder, 'orders.db')),
  steps: [payment, vendor, courier],
});
const instrumentation = instrument(processor, { tracerProvider });

// A request of the program's own server.
await tracer.startActiveSpan('POST /deliveries', { kind: SpanKind.SERVER }, async (span) => {
  await processor.submit({ id: 'lunch', userId: 'ann', amount: 2_500 });
  span.end();
});
await processor.shutdown();
instrumentation.stop();
rmSync(folder, { recursive: true });

const spans = exporter.getFinishedSpans();
const startOf = ({ startTime: [seconds, nanos] }: ReadableSpan): number => seconds * 1e9 + nanos;
const idOf = (span: ReadableSpan): string => span.spanContext().spanId;
const inOrder = (some: readonly ReadableSpan[]): ReadableSpan[] =>
  some.toSorted((one, other) => startOf(one) - startOf(other));

function print(span: ReadableSpan, indent = ''): void {
  const { name, kind, attributes, links, events } = span;
  const error = attributes['error.type'] === undefined ? '' : `, ${attributes['error.type']}`;
  console.log(`${indent}${name} (${SpanKind[kind].toLowerCase()}${error})`);
  for (const link of links) {
    const linked = spans.find((each) => idOf(each) === link.context.spanId);
    console.log(`${indent}  → ${linked?.name}`);
  }
  for (const event of events) {
    console.log(
      `${indent}  • ${event.name}: ${event.attributes?.['order_processor.step.pause_ms']} ms`,
    );
  }
  const below = spans.filter(({ parentSpanContext }) => parentSpanContext?.spanId === idOf(span));
  for (const each of inOrder(below)) print(each, `${indent}  `);
}

for (const root of inOrder(spans.filter((span) => span.parentSpanContext === undefined))) {
  print(root);
  console.log();
}

// For the picture in the guide.
if (process.env.SPANS !== undefined) {
  const msOf = ([seconds, nanos]: readonly [number, number]): number => seconds * 1e3 + nanos / 1e6;
  const drawn = spans.map((span) => ({
    name: span.name,
    id: idOf(span),
    parent: span.parentSpanContext?.spanId,
    startMs: msOf(span.startTime),
    endMs: msOf(span.endTime),
    isFailed: span.attributes['error.type'] !== undefined,
    pauses: span.events.map(({ time, attributes }) => ({
      atMs: msOf(time),
      ms: attributes?.['order_processor.step.pause_ms'],
    })),
  }));
  writeFileSync(process.env.SPANS, JSON.stringify(drawn));
}
