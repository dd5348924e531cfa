import { clearBit, hasBit, setBit } from './bits.ts';

interface Identified {
  readonly id: string;
  readonly hash: number;
}

/** At most this share of a table's places is taken, and at least an eighth of that. */
const load = 0.64;

/** So many bits for each place: most ids that are looked up are in no table, and a bit says so. */
const bitsPerPlace = 4;

/**
 * Entries by id: a hash table with open addressing. A look-up reads bits, then hashes that lie side by side, then
 * the one entry: those of a large table are in no cache.
 */
export class IdTable<T extends Identified> {
  readonly #fewestPlaces: number;
  /** By place, 0 where free. */
  #hashes: Int32Array;
  #entries: (T | undefined)[];
  /** A bit is set where a hash with these lower bits is in the table. */
  #bits: Int32Array;
  #mask: number;
  #size = 0;

  /** @param fewestPlaces - a power of two, from 32 up; with fewer it would be resized all the time */
  constructor(fewestPlaces: number) {
    this.#fewestPlaces = fewestPlaces;
    this.#hashes = new Int32Array(fewestPlaces);
    this.#entries = new Array<T | undefined>(fewestPlaces).fill(undefined);
    this.#bits = new Int32Array((fewestPlaces * bitsPerPlace) / 32);
    this.#mask = fewestPlaces - 1;
  }

  get size(): number {
    return this.#size;
  }

  get(id: string, hash: number): T | undefined {
    if (!hasBit(this.#bits, hash & this.#bitMask)) return undefined;
    const hashes = this.#hashes;
    for (let place = hash & this.#mask; ; place = (place + 1) & this.#mask) {
      if (hashes[place] === 0) return undefined;
      if (hashes[place] !== hash) continue;
      const entry = this.#entries[place] as T;
      if (entry.id === id) return entry;
    }
  }

  add(entry: T): void {
    this.#size += 1;
    if (this.#size > load * this.#entries.length) this.#resize(this.#entries.length * 2);
    this.#put(entry, entry.hash);
  }

  /** Takes an entry out; false if it is not here. */
  delete(entry: T): boolean {
    const hashes = this.#hashes;
    const entries = this.#entries;
    const mask = this.#mask;
    const { hash } = entry;
    let gap = hash & mask;
    while (hashes[gap] !== hash || entries[gap] !== entry) {
      if (hashes[gap] === 0) return false;
      gap = (gap + 1) & mask;
    }
    // Closes the gap with what is not at home between it and its place, so that no search stops short.
    for (let place = (gap + 1) & mask; hashes[place] !== 0; place = (place + 1) & mask) {
      const other = hashes[place] as number;
      if (((place - other) & mask) < ((place - gap) & mask)) continue;
      hashes[gap] = other;
      entries[gap] = entries[place];
      gap = place;
    }
    hashes[gap] = 0;
    entries[gap] = undefined;
    this.#clearBit(hash);
    this.#size -= 1;
    if (this.#size * 8 < load * entries.length && entries.length > this.#fewestPlaces) {
      this.#resize(entries.length / 2);
    }
    return true;
  }

  all(): T[] {
    return this.#entries.filter((entry) => entry !== undefined);
  }

  get #bitMask(): number {
    return this.#mask * bitsPerPlace + bitsPerPlace - 1;
  }

  /** Unless another hash needs it, which is then in the same run of places. */
  #clearBit(hash: number): void {
    const bit = hash & this.#bitMask;
    for (let place = hash & this.#mask; ; place = (place + 1) & this.#mask) {
      const other = this.#hashes[place] as number;
      if (other === 0) break;
      if ((other & this.#bitMask) === bit) return;
    }
    clearBit(this.#bits, bit);
  }

  #put(entry: T, hash: number): void {
    setBit(this.#bits, hash & this.#bitMask);
    let place = hash & this.#mask;
    while (this.#hashes[place] !== 0) place = (place + 1) & this.#mask;
    this.#hashes[place] = hash;
    this.#entries[place] = entry;
  }

  #resize(places: number): void {
    const hashes = this.#hashes;
    const entries = this.#entries;
    this.#hashes = new Int32Array(places);
    this.#entries = new Array<T | undefined>(places).fill(undefined);
    this.#bits = new Int32Array((places * bitsPerPlace) / 32);
    this.#mask = places - 1;
    hashes.forEach((hash, place) => {
      if (hash !== 0) this.#put(entries[place] as T, hash);
    });
  }
}
