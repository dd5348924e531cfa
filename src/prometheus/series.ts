import type { Histogram } from 'prom-client';
import type { Labels, Series } from '../metrics/observer.ts';

interface Child {
  readonly labels: Labels;
  observe(value: number): void;
}

/** A histogram of prom-client as one processor fills it. */
export class PrometheusSeries implements Series {
  readonly #histogram: Histogram;
  readonly #labels: Labels;
  readonly #names: readonly string[];
  readonly #children = new Map<string, Child>();

  /** @param names - its labels beside the constant ones, two at most */
  constructor(histogram: Histogram, labels: Labels, names: readonly string[]) {
    this.#histogram = histogram;
    this.#labels = labels;
    this.#names = names;
  }

  /** @param first - the value of its first label, without a space */
  observe(value: number, first = '', second = ''): void {
    const key = second === '' ? first : `${first} ${second}`;
    const child = this.#children.get(key) ?? this.#childOf(key, [first, second]);
    // The clock may have been set back between two processes.
    child.observe(value > 0 ? value : 0);
  }

  /** Removes everything that it has observed from the histogram. */
  remove(): void {
    for (const { labels } of this.#children.values()) this.#histogram.remove(labels);
    this.#children.clear();
  }

  #childOf(key: string, values: readonly string[]): Child {
    const own = this.#names.map((name, at) => [name, values[at] as string]);
    const labels = { ...this.#labels, ...Object.fromEntries(own) };
    const child = { labels, observe: this.#histogram.labels(labels).observe };
    this.#children.set(key, child);
    return child;
  }
}
