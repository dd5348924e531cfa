import { Counter, Gauge, Histogram, type Metric, type Registry } from 'prom-client';
import { show } from '../core/runtime/thrown.ts';
import { type Collected, collected } from '../metrics/collected.ts';
import { type AllSeries, type Labels, type Observed, Observer } from '../metrics/observer.ts';
import { recorded } from '../metrics/recorded.ts';
import type { ObserveSettings } from './options.ts';
import { PrometheusSeries } from './series.ts';

/** Which family a metric is of, so that a registry says what it has. */
const familyOf = new WeakMap<Metric, Family>();

const seriesNames = Object.keys(recorded) as (keyof AllSeries)[];

/**
 * The metrics under one prefix in one registry. Prometheus wants all series of a name in one place, so
 * several processors with labels of their own share them.
 */
export class Family {
  readonly #settings: ObserveSettings;
  readonly #labelNames: readonly string[];
  readonly #metrics: Metric[] = [];
  readonly #histograms = new Map<keyof AllSeries, Histogram>();
  readonly #observers = new Map<string, Observer>();

  /**
   * The family that a processor with these settings belongs to.
   *
   * @throws TypeError if the registry has metrics with which they do not go together
   */
  static of(settings: ObserveSettings): Family {
    const first = `${settings.prefix}${collected[0]?.name}`;
    const metric = settings.registry.getSingleMetric(first);
    const found = metric && familyOf.get(metric);
    if (found === undefined) return new Family(settings);
    found.#checkSame(settings);
    return found;
  }

  private constructor(settings: ObserveSettings) {
    this.#settings = settings;
    this.#labelNames = Object.keys(settings.labels);
    const { prefix, buckets } = settings;
    for (const each of collected) this.#metrics.push(this.#metricOf(each));
    for (const name of seriesNames) {
      const each = recorded[name];
      const histogram = new Histogram({
        name: prefix + each.name,
        help: each.help,
        labelNames: [...this.#labelNames, ...each.labels],
        buckets: [...buckets[each.buckets]],
        registers: [],
      });
      this.#histograms.set(name, histogram);
      this.#metrics.push(histogram);
    }
    this.#register();
  }

  /** @throws TypeError if another processor has the same labels */
  add(processor: Observed, labels: ObserveSettings['labels']): Observer {
    const key = keyOf(labels);
    if (this.#observers.has(key)) {
      throw new TypeError(
        'Expected `registry` to have no processor with this `prefix` and these `labels` yet: ' +
          `give it others, or stop the other observation, got \`${show(this.#settings.prefix)}\``,
      );
    }
    const series = seriesNames.map((name) => {
      const histogram = this.#histograms.get(name) as Histogram;
      return [name, new PrometheusSeries(histogram, labels, recorded[name].labels)];
    });
    const observer = new Observer(processor, labels, Object.fromEntries(series));
    this.#observers.set(key, observer);
    return observer;
  }

  /** The last one removes the metrics. */
  remove(observer: Observer): void {
    const key = keyOf(observer.labels);
    if (this.#observers.get(key) !== observer) return;
    this.#observers.delete(key);
    observer.stop();
    if (this.#observers.size === 0) this.#unregister(this.#metrics.keys());
  }

  #checkSame({ labels, buckets }: ObserveSettings): void {
    const before = this.#settings;
    if (`${Object.keys(labels)}` !== `${this.#labelNames}`) {
      const form = this.#labelNames.join(', ') || 'none';
      throw new TypeError(
        `Expected \`labels\` to have the names that the other processor with this \`prefix\` has (${form}), got \`${Object.keys(labels)}\``,
      );
    }
    if (JSON.stringify(buckets) !== JSON.stringify(before.buckets)) {
      throw new TypeError(
        `Expected \`buckets\` to be the same as of the other processor with this \`prefix\`, got \`${show(JSON.stringify(buckets))}\``,
      );
    }
  }

  #metricOf(definition: Collected): Metric {
    const { kind, name, help, label } = definition;
    const observers = this.#observers;
    const options = {
      name: this.#settings.prefix + name,
      help,
      labelNames: label === undefined ? this.#labelNames : [...this.#labelNames, label],
      registers: [],
    };
    if (kind === 'counter') {
      return new Counter({
        ...options,
        collect() {
          this.reset();
          for (const { labels, value, key, observer } of valuesOf(definition, observers.values())) {
            this.inc(labels, observer.rising(`${name} ${key}`, value));
          }
        },
      });
    }
    return new Gauge({
      ...options,
      collect() {
        this.reset();
        // So that one without labels is 0, and not absent.
        if (options.labelNames.length === 0) this.remove({});
        for (const { labels, value } of valuesOf(definition, observers.values())) {
          this.set(labels, value);
        }
      },
    });
  }

  /** Registers all of them, or none. */
  #register(): void {
    // Where both kinds of registry are one type, what both take can be given to either.
    const registry = this.#settings.registry as Registry;
    for (const [at, metric] of this.#metrics.entries()) {
      try {
        registry.registerMetric(metric);
        familyOf.set(metric, this);
      } catch (cause) {
        this.#unregister(Array(at).keys());
        throw new TypeError(
          'Expected `registry` to have none of the metrics yet: give the processor another `prefix`, ' +
            `got \`${show(this.#nameOf(at))}\``,
          { cause },
        );
      }
    }
  }

  /** Metrics that the host has put in their place meanwhile stay. */
  #unregister(places: Iterable<number>): void {
    const { registry } = this.#settings;
    for (const at of places) {
      const name = this.#nameOf(at);
      if (registry.getSingleMetric(name) === this.#metrics[at]) registry.removeSingleMetric(name);
    }
  }

  /** Not the metric's own, which a registry of OpenMetrics changes. */
  #nameOf(at: number): string {
    const names = [...collected, ...seriesNames.map((name) => recorded[name])];
    return `${this.#settings.prefix}${names[at]?.name}`;
  }
}

interface Value {
  /** The value of the metric's own label. */
  readonly key: string;
  readonly observer: Observer;
  readonly labels: Labels;
  readonly value: number;
}

function* valuesOf(
  { label = '', read }: Collected,
  observers: Iterable<Observer>,
): Generator<Value> {
  for (const observer of observers) {
    const values = read(observer);
    if (typeof values === 'number')
      yield { observer, key: '', labels: observer.labels, value: values };
    else {
      for (const [key, value] of values ?? []) {
        yield { observer, key, labels: { ...observer.labels, [label]: key }, value };
      }
    }
  }
}

function keyOf(labels: ObserveSettings['labels']): string {
  return JSON.stringify(Object.values(labels));
}
