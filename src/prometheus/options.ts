import { type OpenMetricsContentType, Registry } from 'prom-client';
import { wrong } from '../core/runtime/checks.ts';
import { defaultBuckets } from '../metrics/recorded.ts';

/** A registry of prom-client, in the text format of Prometheus or of OpenMetrics. */
export type MetricsRegistry = Registry | Registry<OpenMetricsContentType>;

/** The upper bounds of the histograms' buckets: rising finite numbers, at least one. */
export interface ObserveBuckets {
  /** How long orders wait, in seconds; from 0.001 to 300 by default. */
  readonly wait?: readonly number[] | undefined;
  /** How long orders are processed, in seconds; from 0.001 to 300 by default. */
  readonly duration?: readonly number[] | undefined;
  /** How long steps and compensations take, in seconds; from 0.001 to 300 by default. */
  readonly step?: readonly number[] | undefined;
  /** How many orders a call of the storage takes; from 1 to 16 384 by default. */
  readonly storageBatch?: readonly number[] | undefined;
  /** How long a call of the storage takes, in seconds; from 0.0001 to 10 by default. */
  readonly storageCall?: readonly number[] | undefined;
}

/**
 * What {@link observe} takes.
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 * import { observe } from 'order-processor/prometheus';
 * import { Registry } from 'prom-client';
 *
 * const processor = new OrderProcessor();
 * const registry = new Registry();
 * observe(processor, { registry, prefix: 'shop_' });
 * ```
 */
export interface ObserveOptions {
  /**
   * Where the metrics are registered. A new `Registry` of prom-client by default; never its global one,
   * unless you give that.
   */
  readonly registry?: MetricsRegistry | undefined;
  /**
   * What the names of the metrics begin with: letters, digits and `_`, not a digit first;
   * `order_processor_` by default.
   */
  readonly prefix?: string | undefined;
  /**
   * Labels that each of the metrics has, `{ processor: 'eu' }` for example: several processors in one
   * registry share the names of their metrics if they have labels of the same names with other values.
   * `code`, `step`, `status`, `outcome`, `operation` and `le` are taken. None by default.
   */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** The buckets of the histograms. */
  readonly buckets?: ObserveBuckets | undefined;
}

/** The options with their defaults, checked. */
export interface ObserveSettings {
  readonly registry: MetricsRegistry;
  readonly prefix: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly buckets: Readonly<Record<keyof ObserveBuckets, readonly number[]>>;
}

const registryMethods = [
  'metrics',
  'registerMetric',
  'getSingleMetric',
  'removeSingleMetric',
] as const;

const nameForm = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
/** Labels of metrics here and, by the format, of histograms. */
const takenLabels = ['code', 'step', 'status', 'outcome', 'operation', 'le'];

/** @throws TypeError or RangeError */
export function readOptions(options: ObserveOptions): ObserveSettings {
  checkKeys('options', options, ['registry', 'prefix', 'labels', 'buckets']);
  const { registry = new Registry(), prefix = 'order_processor_', labels = {} } = options;
  checkRegistry(registry);
  if (typeof prefix !== 'string' || !nameForm.test(prefix)) {
    throw wrong(TypeError, 'prefix', 'letters, digits and `_`, not a digit first', prefix);
  }
  return { registry, prefix, labels: readLabels(labels), buckets: readBuckets(options.buckets) };
}

/** Checks the methods, so that a registry of another copy of prom-client is valid too. */
function checkRegistry(registry: unknown): void {
  const methods = registry as Partial<Record<string, unknown>> | null;
  const isRegistry =
    typeof registry === 'object' &&
    registryMethods.every((name) => typeof methods?.[name] === 'function');
  if (!isRegistry) throw wrong(TypeError, 'registry', 'a Registry of prom-client', registry);
}

function readLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  if (typeof labels !== 'object' || labels === null)
    throw wrong(TypeError, 'labels', 'an object', labels);
  const read = Object.entries(labels).map(([name, value]) => {
    if (!nameForm.test(name) || name.startsWith('__') || takenLabels.includes(name)) {
      throw wrong(
        TypeError,
        'labels',
        `names of labels other than ${takenLabels.join(', ')}`,
        name,
      );
    }
    if (typeof value !== 'string') throw wrong(TypeError, `labels.${name}`, 'a string', value);
    return [name, value] as const;
  });
  return Object.fromEntries(read.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function readBuckets(buckets: ObserveBuckets = {}): ObserveSettings['buckets'] {
  checkKeys('buckets', buckets, Object.keys(defaultBuckets));
  const read: Record<keyof ObserveBuckets, readonly number[]> = { ...defaultBuckets };
  for (const name of Object.keys(defaultBuckets) as (keyof ObserveBuckets)[]) {
    const bounds = buckets[name];
    if (bounds === undefined) continue;
    if (!areBounds(bounds)) {
      throw wrong(
        TypeError,
        `buckets.${name}`,
        'an array of rising finite numbers, at least one',
        bounds,
      );
    }
    read[name] = [...bounds];
  }
  return read;
}

function areBounds(bounds: unknown): bounds is readonly number[] {
  if (!Array.isArray(bounds) || bounds.length === 0) return false;
  return Array.from(bounds).every(
    (bound, at) => Number.isFinite(bound) && (at === 0 || bound > bounds[at - 1]),
  );
}

function checkKeys(name: string, value: unknown, known: readonly string[]): void {
  if (typeof value !== 'object' || value === null) throw wrong(TypeError, name, 'an object', value);
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue;
    throw new TypeError(
      `Expected the ${name} of observe to be among ${known.join(', ')}, got \`${key}\``,
    );
  }
}
