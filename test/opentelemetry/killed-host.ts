/** Hands in orders in a span of its own, says in which, and never ends their step: to be killed. */
import { context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { TracerProvider } from '@opentelemetry/sdk-trace';
import { OrderProcessor } from '../../src/index.ts';
import { instrument } from '../../src/opentelemetry/index.ts';
import { SqliteStorage } from '../../src/sqlite/index.ts';

const [, , file = ''] = process.argv;
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
const tracerProvider = new TracerProvider();
const processor = new OrderProcessor({
  storage: await SqliteStorage.open(file),
  steps: [{ name: 'work', run: () => new Promise<void>(() => {}) }],
});
instrument(processor, { tracerProvider });
const told: string[] = [];
for (const id of ['o-1', 'o-2']) {
  await tracerProvider.getTracer('host').startActiveSpan('request', async (span) => {
    await processor.enqueue({ id, userId: 'ann', amount: 1 });
    told.push(span.spanContext().traceId);
    span.end();
  });
}
console.log(told.join(' '));
setInterval(() => {}, 1_000);
