import { clearBit, hasBit, setBit } from './bits.ts';

interface Identified {
  readonly id: string;
  readonly hash: number;
}

/** At most this share of a table's slots is taken, and at least an eighth of that. */
const load = 0.64;

/** Bits for each slot: most ids that are looked up are in no table, and a bit says so. */
const bitsPerSlot = 4;

/**
 * Entries by id: a hash table with open addressing. A look-up reads bits, then hashes that lie side by side, then
 * the one entry: those of a large table are in no cache.
 */
export class IdTable<T extends Identified> {
  readonly #fewestSlots: number;
  /** By slot, 0 where free. */
  #hashes: Int32Array;
  #entries: (T | undefined)[];
  /** A bit is set where a hash with these lower bits is in the table. */
  #bits: Int32Array;
  #mask: number;
  #size = 0;

  /** @param fewestSlots - a power of two, from 32 up; with fewer it would be resized all the time */
  constructor(fewestSlots: number) {
    this.#fewestSlots = fewestSlots;
    this.#hashes = new Int32Array(fewestSlots);
    this.#entries = new Array<T | undefined>(fewestSlots).fill(undefined);
    this.#bits = new Int32Array((fewestSlots * bitsPerSlot) / 32);
    this.#mask = fewestSlots - 1;
  }

  get size(): number {
    return this.#size;
  }

  get(id: string, hash: number): T | undefined {
    if (!hasBit(this.#bits, hash & this.#bitMask)) return undefined;
    const hashes = this.#hashes;
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      if (hashes[slot] === 0) return undefined;
      if (hashes[slot] !== hash) continue;
      const entry = this.#entries[slot] as T;
      if (entry.id === id) return entry;
    }
  }

  add(entry: T): void {
    this.#size += 1;
    if (this.#size > load * this.#entries.length) this.#resize(this.#entries.length * 2);
    this.#put(entry, entry.hash);
  }

  /** Removes an entry; false if it is not here. */
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
    // Moves later entries of the run into the gap, so that no search stops short.
    for (let slot = (gap + 1) & mask; hashes[slot] !== 0; slot = (slot + 1) & mask) {
      const other = hashes[slot] as number;
      if (((slot - other) & mask) < ((slot - gap) & mask)) continue;
      hashes[gap] = other;
      entries[gap] = entries[slot];
      gap = slot;
    }
    hashes[gap] = 0;
    entries[gap] = undefined;
    this.#clearBit(hash);
    this.#size -= 1;
    if (this.#size * 8 < load * entries.length && entries.length > this.#fewestSlots) {
      this.#resize(entries.length / 2);
    }
    return true;
  }

  all(): T[] {
    return this.#entries.filter((entry) => entry !== undefined);
  }

  get #bitMask(): number {
    return this.#mask * bitsPerSlot + bitsPerSlot - 1;
  }

  /** Unless another hash needs the bit. Such a hash is in the same run of slots. */
  #clearBit(hash: number): void {
    const bit = hash & this.#bitMask;
    for (let slot = hash & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const other = this.#hashes[slot] as number;
      if (other === 0) break;
      if ((other & this.#bitMask) === bit) return;
    }
    clearBit(this.#bits, bit);
  }

  #put(entry: T, hash: number): void {
    setBit(this.#bits, hash & this.#bitMask);
    let slot = hash & this.#mask;
    while (this.#hashes[slot] !== 0) slot = (slot + 1) & this.#mask;
    this.#hashes[slot] = hash;
    this.#entries[slot] = entry;
  }

  #resize(slots: number): void {
    const hashes = this.#hashes;
    const entries = this.#entries;
    this.#hashes = new Int32Array(slots);
    this.#entries = new Array<T | undefined>(slots).fill(undefined);
    this.#bits = new Int32Array((slots * bitsPerSlot) / 32);
    this.#mask = slots - 1;
    hashes.forEach((hash, slot) => {
      if (hash !== 0) this.#put(entries[slot] as T, hash);
    });
  }
}
