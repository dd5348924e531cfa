import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  type MetricData,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';

/** A provider whose metrics are collected when they are asked for, by the real SDK. */
export class CollectedMetrics {
  readonly #exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  readonly #reader = new PeriodicExportingMetricReader({
    exporter: this.#exporter,
    exportIntervalMillis: 2_000_000,
    exportTimeoutMillis: 10_000,
  });
  readonly provider = new MeterProvider({ readers: [this.#reader] });

  /** What there is now, by name. */
  async read(): Promise<ReadonlyMap<string, MetricData>> {
    this.#exporter.reset();
    await this.provider.forceFlush();
    const scopes = this.#exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics);
    const own = scopes.filter(({ scope }) => scope.name === 'order-processor');
    return new Map(
      own.flatMap(({ metrics }) => metrics).map((each) => [each.descriptor.name, each]),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.provider.shutdown();
  }
}
