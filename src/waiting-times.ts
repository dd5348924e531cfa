/**
 * Since when the oldest waiting order has waited, whatever leaves in whatever order. Times come in
 * ascending order and many are the same, so they are counted by value, and found by halving.
 */
export class WaitingTimes {
  #times: number[] = [];
  #counts: number[] = [];
  /** Everything before has left. */
  #first = 0;
  /** How many of the times somebody still waits since. */
  #live = 0;

  /** @param ms - at least as great as any before */
  add(ms: number): void {
    const last = this.#times.length - 1;
    if (last >= this.#first && this.#times[last] === ms) {
      this.#counts[last] = (this.#counts[last] as number) + 1;
      return;
    }
    this.#times.push(ms);
    this.#counts.push(1);
    this.#live += 1;
  }

  /** @param ms - one that was added and has not left */
  remove(ms: number): void {
    let low = this.#first;
    let high = this.#times.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#times[middle] as number) < ms) low = middle + 1;
      else high = middle;
    }
    this.#counts[low] = (this.#counts[low] as number) - 1;
    if (this.#counts[low] === 0) this.#live -= 1;
    while (this.#counts[this.#first] === 0) this.#first += 1;
    if (this.#times.length > 64 && this.#live * 2 < this.#times.length) this.#compact();
  }

  /** The least time; undefined if none waits. */
  get oldest(): number | undefined {
    return this.#times[this.#first];
  }

  #compact(): void {
    this.#times = this.#times.filter((_, at) => this.#counts[at] !== 0);
    this.#counts = this.#counts.filter((count) => count !== 0);
    this.#first = 0;
  }
}
