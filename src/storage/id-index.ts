import { hashIn, type Keyed } from '../id-hash.ts';

// A bucket's numbers: seven hashes, then how far it has overflowed, then the turn of each hash.
const ENTRIES = 7;
const OVERFLOW = 7;
const TURNS = 8;
const WIDTH = 16;

/**
 * Finds the slot of a ring that holds an id: a hash table in a typed array. A `Map` costs several times as much at
 * a hundred thousand ids, and the garbage collector looks at it. What an order costs here is waiting for memory, so
 * all that is to be read and written for its id is in one bucket, as wide as a line of the cache.
 *
 * The slots are written in turn, and turns are counted: whatever is as many turns old as there are slots has been
 * overwritten. So nothing is ever deleted, and a stale entry's place is free.
 */
export class IdIndex {
  readonly #idOf: (slot: number) => string | undefined;
  #slots = 0;
  #table = new Int32Array(0);
  #mask = 0;
  /** By slot, for when the table is made anew. */
  #hashes = new Int32Array(0);
  /** Of the slot that was added last. The count goes round, and an entry so old may look new: its id does not match. */
  #turn = 0;
  #newest = -1;

  /** @param idOf - the id that a slot holds now */
  constructor(idOf: (slot: number) => string | undefined) {
    this.#idOf = idOf;
  }

  /** Makes room for slots below `slots`; those up to now must be full, and the first is the oldest. */
  grow(slots: number): void {
    const hashes = this.#hashes;
    this.#hashes = new Int32Array(slots);
    const buckets = 2 ** Math.max(0, Math.ceil(Math.log2(slots / 4)));
    this.#slots = slots;
    this.#table = new Int32Array(buckets * WIDTH);
    this.#mask = buckets - 1;
    // From here on the zeros in the table are stale.
    this.#turn = slots;
    this.#newest = -1;
    hashes.forEach((hash, slot) => {
      this.add(slot, hash);
    });
  }

  /** The slot of the key's id, or -1. */
  find(key: Keyed): number {
    if (this.#slots === 0) return -1;
    const hash = hashIn(key);
    const table = this.#table;
    const home = hash & this.#mask;
    let bucket = home;
    do {
      const first = bucket * WIDTH;
      for (let at = first; at < first + ENTRIES; at += 1) {
        if (table[at] !== hash) continue;
        const slot = this.#slotOf(table[at + TURNS] as number);
        if (slot !== -1 && this.#idOf(slot) === key.id) return slot;
      }
      if (this.#isStale(table[first + OVERFLOW] as number)) return -1;
      bucket = (bucket + 1) & this.#mask;
      // All may have overflowed by turns, so there need not be one where the search ends.
    } while (bucket !== home);
    return -1;
  }

  /** Notes that a slot, the next in turn, holds an id of this hash. */
  add(slot: number, hash: number): void {
    const table = this.#table;
    this.#turn = (this.#turn + 1) | 0;
    this.#newest = slot;
    this.#hashes[slot] = hash;
    // There is a place: all buckets have seven for at most four slots each.
    for (let bucket = hash & this.#mask; ; bucket = (bucket + 1) & this.#mask) {
      const first = bucket * WIDTH;
      for (let at = first; at < first + ENTRIES; at += 1) {
        if (!this.#isStale(table[at + TURNS] as number)) continue;
        table[at] = hash;
        table[at + TURNS] = this.#turn;
        return;
      }
      // For as long as this one lives, whoever looks here must look further.
      table[first + OVERFLOW] = this.#turn;
    }
  }

  #isStale(turn: number): boolean {
    return (this.#turn - turn) >>> 0 >= this.#slots;
  }

  /** -1 if it holds another by now. */
  #slotOf(turn: number): number {
    if (this.#isStale(turn)) return -1;
    const slot = this.#newest - ((this.#turn - turn) | 0);
    return slot < 0 ? slot + this.#slots : slot;
  }
}
