/** How many keys may be at zero before they are removed. */
const mostZeros = 1_024;

/**
 * Counts by key. Only keys that are not at zero use memory in the long run. A `Map` that loses and gains a key with
 * each order makes new tables all the time, and an old table keeps later entries in memory. So keys at zero stay for a
 * while, and then the map is replaced.
 */
export class Tally {
  #counts = new Map<string, number>();
  #zeros = 0;

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  /** The keys that are not at zero. */
  get keys(): string[] {
    return [...this.#counts].flatMap(([key, count]) => (count === 0 ? [] : [key]));
  }

  add(key: string, by: number): void {
    const known = this.#counts.get(key);
    const count = (known ?? 0) + by;
    if (known === 0) this.#zeros -= 1;
    if (count === 0) this.#zeros += 1;
    this.#counts.set(key, count);
    if (this.#zeros > mostZeros && this.#zeros * 2 > this.#counts.size) this.#forgetZeros();
  }

  #forgetZeros(): void {
    this.#counts = new Map([...this.#counts].filter(([, count]) => count !== 0));
    this.#zeros = 0;
  }
}
