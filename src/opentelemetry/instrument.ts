import { createNoopMeter } from '@opentelemetry/api';
import type { OrderProcessor } from '../core/order-processor.ts';
import { checkMethods } from '../core/runtime/checks.ts';
import type { Observed } from '../metrics/observer.ts';
import { schemaUrl, scopeName, scopeVersion } from './conventions.ts';
import { OperationMetrics } from './metrics/operation-metrics.ts';
import { ProcessorMetrics } from './metrics/processor-metrics.ts';
import { Operations } from './operations.ts';
import { type InstrumentOptions, type InstrumentSettings, readOptions } from './options.ts';
import { spanSettingsOf } from './spans/span-settings.ts';
import { add, remove } from './subscriptions.ts';

/** What {@link instrument} has begun. Its method needs no `this`. */
export interface Instrumentation extends Disposable {
  /**
   * Makes no further spans and metrics of the processor. Spans that have begun by then are not ended, so call it after
   * `shutdown`. Calling it again does nothing.
   */
  stop(): void;
}

/**
 * Makes spans and metrics of a processor for OpenTelemetry. Call it right after making the processor. It only subscribes
 * to the diagnostics channels of the processor (`TracingMessages`) and to events, and needs `@opentelemetry/api` alone: the SDK and
 * its exporters are the host's. A tracer or a meter that throws changes nothing for the order; the error goes to `diag`.
 *
 * Spans follow the [semantic conventions of messaging](https://opentelemetry.io/docs/specs/semconv/messaging/), version
 * 1.45.0: `send` where an order is handed in, `process` where it runs, with a link to `send`, and `settle` for each call of
 * the storage that settles orders. Each attempt at a step has a span below `process`, and what the step calls is traced
 * below that.
 *
 * @param processor - is only listened to
 * @param options - the providers, and what spans may say of an order
 * @throws TypeError for an option that is unknown or wrong, and if the processor is instrumented already
 *
 * @example
 * ```ts
 * import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
 * import { OrderProcessor } from 'order-processor';
 * import { instrument } from 'order-processor/opentelemetry';
 *
 * const exporter = new InMemorySpanExporter();
 * const tracerProvider = new TracerProvider({
 *   spanProcessors: [new SimpleSpanProcessor({ exporter })],
 * });
 *
 * const processor = new OrderProcessor({ steps: [{ name: 'charge', run: () => {} }] });
 * const instrumentation = instrument(processor, { tracerProvider });
 * await processor.submit({ userId: 'u-1', amount: 1200 });
 * await processor.shutdown();
 * instrumentation.stop();
 * console.log(exporter.getFinishedSpans().map(({ name }) => name).sort());
 * // prints: [ 'charge', 'process orders', 'send orders' ]
 * ```
 */
export function instrument<Payload, Input, Results>(
  processor: OrderProcessor<Payload, Input, Results>,
  options: InstrumentOptions = {},
): Instrumentation {
  checkMethods('processor', processor, ['on', 'off', 'stats']);
  const settings = readOptions(options);
  const meter = settings.metrics ? meterOf(settings) : undefined;
  const operations = new Operations(
    settings.spans ? spanSettingsOf(settings) : undefined,
    meter && new OperationMetrics(meter, settings),
  );
  const observed = processor as unknown as Observed;
  const metrics = meter && new ProcessorMetrics(meter, observed, settings.attributes);
  if (!add(processor, operations)) {
    throw new TypeError('Expected `processor` to be not yet instrumented: stop the other one');
  }
  metrics?.start();
  let isStopped = false;
  const stop = (): void => {
    if (isStopped) return;
    isStopped = true;
    remove(processor);
    metrics?.stop();
  };
  return { stop, [Symbol.dispose]: stop };
}

/** `undefined` if it would do nothing: then nothing needs to be counted either. */
function meterOf({ meterProvider }: InstrumentSettings) {
  const meter = meterProvider.getMeter(scopeName, scopeVersion, { schemaUrl });
  return meter === createNoopMeter() ? undefined : meter;
}
