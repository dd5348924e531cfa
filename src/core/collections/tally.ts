/** So many keys may be at zero before they are looked through. */
const mostZeros = 1_024;

/**
 * Counts by key, in memory for those that are not at zero. A `Map` that loses and gains a key with each order
 * makes its table anew all the time, and an old table that has grown old keeps what came later alive; so keys
 * stay for a while, and then the map is another one.
 */
export class Tally {
  #counts = new Map<string, number>();
  #zeros = 0;

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
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
