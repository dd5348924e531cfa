/**
 * Metrics of an `OrderProcessor` for Prometheus, on prom-client. Start at {@link observe}.
 *
 * @module order-processor/prometheus
 */

export { type Observation, observe } from './observe.ts';
export type { MetricsRegistry, ObserveBuckets, ObserveOptions } from './options.ts';
