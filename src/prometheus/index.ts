/**
 * Metrics of an `OrderProcessor` for Prometheus, on prom-client. Start at observe.
 *
 * @module
 */

export {};
