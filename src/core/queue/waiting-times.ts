/**
 * Since when the oldest waiting order has waited. Orders may leave in any order. Times come nearly in ascending order
 * and many are the same, so they are counted by value, and found by binary search.
 */
export class WaitingTimes {
  #times: number[] = [];
  #counts: number[] = [];
  /** All times before this index have left. */
  #first = 0;
  /** How many times have waiting orders. */
  #live = 0;

  /** @param ms - fastest if no time before is greater */
  add(ms: number): void {
    const last = this.#times.length - 1;
    if (last < this.#first || (this.#times[last] as number) < ms) {
      this.#times.push(ms);
      this.#counts.push(0);
      this.#count(last + 1);
    } else this.#count(this.#times[last] === ms ? last : this.#placeFor(ms));
  }

  /** @param ms - one that was added and has not left */
  remove(ms: number): void {
    const low = this.#placeOf(ms);
    this.#counts[low] = (this.#counts[low] as number) - 1;
    if (this.#counts[low] === 0) this.#live -= 1;
    while (this.#counts[this.#first] === 0) this.#first += 1;
    if (this.#times.length > 64 && this.#live * 2 < this.#times.length) this.#compact();
  }

  /** The least time; undefined if none waits. */
  get oldest(): number | undefined {
    return this.#times[this.#first];
  }

  /** The index of the first time that is not less; of the last one if all are less. */
  #placeOf(ms: number): number {
    let low = this.#first;
    let high = this.#times.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#times[middle] as number) < ms) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The same, made if it is not there. */
  #placeFor(ms: number): number {
    const place = this.#placeOf(ms);
    if (this.#times[place] !== ms) {
      this.#times.splice(place, 0, ms);
      this.#counts.splice(place, 0, 0);
    }
    return place;
  }

  #count(place: number): void {
    if (this.#counts[place] === 0) this.#live += 1;
    this.#counts[place] = (this.#counts[place] as number) + 1;
  }

  #compact(): void {
    this.#times = this.#times.filter((_, at) => this.#counts[at] !== 0);
    this.#counts = this.#counts.filter((count) => count !== 0);
    this.#first = 0;
  }
}
