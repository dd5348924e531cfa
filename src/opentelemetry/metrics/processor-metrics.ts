import type {
  Attributes,
  BatchObservableResult,
  Histogram,
  Meter,
  Observable,
} from '@opentelemetry/api';
import { type Collected, collected } from '../../metrics/collected.ts';
import { type AllSeries, type Observed, Observer, type Series } from '../../metrics/observer.ts';
import { defaultBuckets, recorded } from '../../metrics/recorded.ts';
import { report } from '../report.ts';

/** The metrics of `order-processor/prometheus` begin with it by default. */
const prefix = 'order_processor_';

/** A histogram as one processor fills it. */
class HistogramSeries implements Series {
  readonly #histogram: Histogram;
  readonly #attributes: Attributes;
  readonly #names: readonly string[];
  /** By the values of its own labels, which are few. */
  readonly #known = new Map<string, Attributes>();

  constructor(histogram: Histogram, attributes: Attributes, names: readonly string[]) {
    this.#histogram = histogram;
    this.#attributes = attributes;
    this.#names = names;
  }

  observe(value: number, first = '', second = ''): void {
    try {
      // The clock may have been set back between two processes.
      this.#histogram.record(value > 0 ? value : 0, this.#attributesOf(first, second));
    } catch (error) {
      // In a listener of the processor it would be an `error` of the host.
      report(error);
    }
  }

  remove(): void {
    // A meter forgets no series.
    this.#known.clear();
  }

  #attributesOf(first: string, second: string): Attributes {
    const key = `${first} ${second}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const values = [first, second];
    const own = this.#names.map((name, at) => [name, values[at] as string]);
    const attributes = { ...this.#attributes, ...Object.fromEntries(own) };
    this.#known.set(key, attributes);
    return attributes;
  }
}

/** The metrics of `order-processor/prometheus`, with the same names, in a meter. */
export class ProcessorMetrics {
  readonly #meter: Meter;
  readonly #observer: Observer;
  readonly #attributes: Attributes;
  readonly #observables: readonly (readonly [Collected, Observable])[];

  constructor(meter: Meter, processor: Observed, attributes: Readonly<Record<string, string>>) {
    this.#meter = meter;
    this.#attributes = attributes;
    this.#observer = new Observer(processor, attributes, seriesIn(meter, attributes));
    this.#observables = collected.map((each) => [each, observableIn(meter, each)]);
  }

  start(): void {
    this.#observer.start();
    this.#meter.addBatchObservableCallback(this.#collect, this.#all);
  }

  stop(): void {
    this.#meter.removeBatchObservableCallback(this.#collect, this.#all);
    this.#observer.stop();
  }

  get #all(): Observable[] {
    return this.#observables.map(([, observable]) => observable);
  }

  /** All in one turn, so that one `stats()` answers for all of them. */
  readonly #collect = (result: BatchObservableResult): void => {
    for (const [definition, observable] of this.#observables) {
      const values = definition.read(this.#observer);
      if (typeof values === 'number') {
        result.observe(observable, this.#valueOf(definition, '', values), this.#attributes);
        continue;
      }
      for (const [label, value] of values ?? []) {
        const attributes = { ...this.#attributes, [definition.label as string]: label };
        result.observe(observable, this.#valueOf(definition, label, value), attributes);
      }
    }
  };

  #valueOf({ kind, name }: Collected, label: string, value: number): number {
    return kind === 'counter' ? this.#observer.rising(`${name} ${label}`, value) : value;
  }
}

function observableIn(meter: Meter, { kind, name, help, unit }: Collected): Observable {
  const options = { description: help, unit };
  return kind === 'counter'
    ? meter.createObservableCounter(prefix + name, options)
    : meter.createObservableGauge(prefix + name, options);
}

function seriesIn(meter: Meter, attributes: Attributes): AllSeries {
  const names = Object.keys(recorded) as (keyof AllSeries)[];
  const series = names.map((each) => {
    const { name, help, unit, labels, buckets } = recorded[each];
    const histogram = meter.createHistogram(prefix + name, {
      description: help,
      unit,
      advice: { explicitBucketBoundaries: [...defaultBuckets[buckets]] },
    });
    return [each, new HistogramSeries(histogram, attributes, labels)];
  });
  return Object.fromEntries(series) as unknown as AllSeries;
}
