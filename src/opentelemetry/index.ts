/**
 * Spans and metrics of an `OrderProcessor` for OpenTelemetry, on `@opentelemetry/api` alone. Start at {@link instrument}.
 *
 * @module order-processor/opentelemetry
 */

export { type Instrumentation, instrument } from './instrument.ts';
export type { InstrumentOptions } from './options.ts';
