import parse, { type ParsedMetric, type ParsedSample } from 'parse-prometheus-text-format';

export type Labels = Readonly<Record<string, string>>;

/** What a scrape said, by the name of the metric without its prefix. */
export class Scrape {
  /** What HELP and TYPE say. */
  readonly metrics: ReadonlyMap<string, ParsedMetric>;
  readonly #samples: ReadonlyMap<string, readonly ParsedSample[]>;

  constructor(text: string, prefix: string) {
    const own = (metrics: readonly ParsedMetric[]): [string, ParsedMetric][] =>
      metrics
        .filter(({ name }) => name.startsWith(prefix))
        .map((metric) => [metric.name.slice(prefix.length), metric]);
    this.metrics = new Map(own(parse(text)));
    // The parser makes one histogram of all that a name has; of what has no type, it keeps each line.
    const plain = own(parse(text.replace(/^# TYPE .*$/gm, '')));
    const byName = Map.groupBy(plain, ([name]) => name);
    this.#samples = new Map(
      [...byName].map(([name, all]) => [name, all.flatMap(([, { metrics }]) => metrics)]),
    );
  }

  /** Every line of a name; a histogram's lines end in `_bucket`, `_sum` and `_count`. */
  samples(name: string): readonly ParsedSample[] {
    return this.#samples.get(name) ?? [];
  }

  /** The value of a counter or a gauge; `undefined` if nothing has these labels. */
  value(name: string, labels: Labels = {}): number | undefined {
    const keyOf = (of: Labels): string => JSON.stringify(Object.entries(of).sort());
    const found = this.samples(name).find((each) => keyOf(each.labels ?? {}) === keyOf(labels));
    return found && Number(found.value);
  }

  /** The values above 0 of a counter, by one label. */
  by(label: string, name: string): Record<string, number> {
    const samples = this.samples(name).filter(({ value }) => Number(value) > 0);
    return Object.fromEntries(samples.map(({ labels, value }) => [labels?.[label], Number(value)]));
  }

  /** All 0 if nothing was observed. */
  histogram(name: string, labels: Labels = {}) {
    const buckets = this.samples(`${name}_bucket`)
      .map(({ labels: { le, ...rest } = {}, value }) => [le, rest, Number(value)] as const)
      .filter(([, rest]) => Object.entries(labels).every(([key, value]) => rest[key] === value));
    return {
      count: this.value(`${name}_count`, labels) ?? 0,
      sum: this.value(`${name}_sum`, labels) ?? 0,
      buckets: Object.fromEntries(buckets.map(([le, , value]) => [le, value])),
    };
  }

  /** Every line that must not fall from scrape to scrape. */
  get rising(): ReadonlyMap<string, number> {
    const names = [...this.#samples.keys()].filter((name) =>
      /_(total|bucket|sum|count)$/.test(name),
    );
    return new Map(
      names.flatMap((name) =>
        this.samples(name).map(({ labels = {}, value }) => [
          `${name} ${JSON.stringify(labels)}`,
          Number(value),
        ]),
      ),
    );
  }

  /** Every value of every label but the bounds of buckets. */
  get labelValues(): Set<string> {
    const labels = [...this.#samples.values()].flat().map((sample) => sample.labels ?? {});
    return new Set(labels.flatMap(({ le: _le, ...rest }) => Object.values(rest)));
  }
}

export async function scrape(
  observation: { metrics(): Promise<string> },
  prefix = 'order_processor_',
): Promise<Scrape> {
  return new Scrape(await observation.metrics(), prefix);
}
