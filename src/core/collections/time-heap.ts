/** Where an item waits in a `TimeHeap`. */
export interface Timed {
  /** When it is due. */
  at: number;
  /** Its place in the heap; -1 if it is in none. */
  place: number;
}

/** Items by the time when they are due. Adding and removing one takes time for the logarithm of their number. */
export class TimeHeap<T> {
  readonly #timedOf: (item: T) => Timed;
  readonly #items: T[] = [];

  /** @param timedOf - gives where an item waits; the same object each time */
  constructor(timedOf: (item: T) => Timed) {
    this.#timedOf = timedOf;
  }

  get size(): number {
    return this.#items.length;
  }

  /** An item that is due first. */
  get first(): T | undefined {
    return this.#items[0];
  }

  /** When the first item is due. */
  get firstAt(): number | undefined {
    const { first } = this;
    return first === undefined ? undefined : this.#timedOf(first).at;
  }

  /** Adds an item that is in no heap. */
  add(item: T, at: number): void {
    this.#timedOf(item).at = at;
    this.#items.push(item);
    this.#rise(item, this.#items.length - 1);
  }

  /** Removes an item; false if it is not here. */
  remove(item: T): boolean {
    const timed = this.#timedOf(item);
    const { place } = timed;
    if (place === -1 || this.#items[place] !== item) return false;
    timed.place = -1;
    const last = this.#items.pop() as T;
    if (last === item) return true;
    this.#sink(last, place);
    this.#rise(last, this.#timedOf(last).place);
    return true;
  }

  #rise(item: T, from: number): void {
    const { at } = this.#timedOf(item);
    let place = from;
    while (place > 0) {
      const parentPlace = (place - 1) >> 1;
      const parent = this.#items[parentPlace] as T;
      if (this.#timedOf(parent).at <= at) break;
      this.#put(parent, place);
      place = parentPlace;
    }
    this.#put(item, place);
  }

  #sink(item: T, from: number): void {
    const { at } = this.#timedOf(item);
    const { length } = this.#items;
    let place = from;
    for (let next = 2 * place + 1; next < length; next = 2 * place + 1) {
      if (next + 1 < length && this.#atOf(next + 1) < this.#atOf(next)) next += 1;
      if (at <= this.#atOf(next)) break;
      this.#put(this.#items[next] as T, place);
      place = next;
    }
    this.#put(item, place);
  }

  #atOf(place: number): number {
    return this.#timedOf(this.#items[place] as T).at;
  }

  #put(item: T, place: number): void {
    this.#items[place] = item;
    this.#timedOf(item).place = place;
  }
}
