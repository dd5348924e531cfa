import type { OrderProcessor } from '../core/order-processor.ts';
import { wrong } from '../core/runtime/checks.ts';
import type { Observed } from '../metrics/observer.ts';
import { Family } from './family.ts';
import { type MetricsRegistry, type ObserveOptions, readOptions } from './options.ts';

/** A processor's metrics; see {@link observe}. Its methods need no `this`. */
export interface Observation {
  /** Where the metrics are registered, for `Registry.merge` or metrics of your own. */
  readonly registry: MetricsRegistry;
  /** The content type of the answer to a scrape. */
  readonly contentType: string;
  /**
   * The answer to a scrape: all metrics of the registry as text, as of now. Goes on after `shutdown`.
   *
   * @returns rejects only with what another metric of the registry throws
   */
  metrics(): Promise<string>;
  /** Removes the listeners, and the metrics from the registry. Calling it again does nothing. */
  stop(): void;
}

/**
 * Keeps metrics of a processor for Prometheus. Call it right after making the processor: refused and failed orders are
 * counted by code from then on. The counters and gauges are read from {@link OrderProcessor.stats} when they are
 * scraped, and cost nothing in between; the histograms are filled by listeners of `completed`, `failed`, `canceled`, `refused`, `stepped`, `retried` and `stored`.
 *
 * No label is an id. Of the codes that rules and steps give, the first 100 are counted by themselves, and
 * all others as `other`.
 *
 * @param processor - is only listened to
 * @param options - the registry, the names, the buckets
 * @throws TypeError for an option that is unknown or wrong, and if the registry has metrics of one of
 *   the names already; nothing is registered then
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 * import { observe } from 'order-processor/prometheus';
 *
 * const processor = new OrderProcessor();
 * const observation = observe(processor);
 * await processor.submit({ userId: 'u-1', amount: 1200 });
 * const text = await observation.metrics();
 * console.log(text.match(/^order_processor_orders_completed_total .*$/m)?.[0]);
 * // prints: order_processor_orders_completed_total 1
 * observation.stop();
 * await processor.shutdown();
 * ```
 */
export function observe<Payload, Input, Results>(
  processor: OrderProcessor<Payload, Input, Results>,
  options: ObserveOptions = {},
): Observation {
  const observed = processor as unknown as Observed;
  checkProcessor(observed);
  const settings = readOptions(options);
  const { registry, labels } = settings;
  const family = Family.of(settings);
  const observer = family.add(observed, labels);
  observer.start();
  return {
    registry,
    get contentType() {
      return registry.contentType;
    },
    metrics: () => registry.metrics(),
    stop: () => family.remove(observer),
  };
}

function checkProcessor(processor: Partial<Observed> | null | undefined): void {
  const methods = [processor?.on, processor?.off, processor?.stats];
  if (methods.every((method) => typeof method === 'function')) return;
  throw wrong(TypeError, 'processor', 'an OrderProcessor', processor);
}
