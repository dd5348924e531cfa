import { hasBit, setBit } from '../bits.ts';
import { hashOf } from '../id-hash.ts';

/**
 * Finds the slot of a ring that holds an id: a hash table in typed arrays, with open addressing. A
 * `Map` costs several times as much at a hundred thousand ids, and the garbage collector looks at it.
 *
 * Nothing is deleted: a slot that holds another id by now does not match. Since the slots are written
 * in turn, whatever was added a whole round ago is stale. So there are two tables, and when one has
 * taken in a round the other, which is all stale, is emptied and goes on.
 */
export class IdIndex {
  readonly #idOf: (slot: number) => string | undefined;
  #table = new Table(0);
  #before = new Table(0);
  /** By slot. */
  #hashes = new Int32Array(0);
  #added = 0;

  /** @param idOf - the id that a slot holds now */
  constructor(idOf: (slot: number) => string | undefined) {
    this.#idOf = idOf;
  }

  /** Makes room for slots below `slots`. */
  grow(slots: number): void {
    const hashes = this.#hashes;
    this.#hashes = new Int32Array(slots);
    this.#hashes.set(hashes);
    this.#table = new Table(slots);
    this.#before = new Table(slots);
    this.#added = 0;
    hashes.forEach((hash, slot) => {
      this.add(slot, hash);
    });
  }

  /** The slot of an id, or -1. */
  find(id: string): number {
    if (this.#hashes.length === 0) return -1;
    const hash = hashOf(id);
    const slot = this.#findIn(this.#table, id, hash);
    return slot === -1 ? this.#findIn(this.#before, id, hash) : slot;
  }

  /** Notes that a slot, the next in turn, holds an id of this hash. */
  add(slot: number, hash: number): void {
    if (this.#added === this.#hashes.length) {
      // Not by destructuring, which makes V8 throw away the compiled code of all that calls this.
      const stale = this.#before;
      this.#before = this.#table;
      this.#table = stale;
      stale.clear();
      this.#added = 0;
    }
    this.#added += 1;
    this.#hashes[slot] = hash;
    this.#table.add(slot, hash);
  }

  #findIn(table: Table, id: string, hash: number): number {
    if (!table.mayHave(hash)) return -1;
    const { places, mask } = table;
    for (let place = hash & mask; ; place = (place + 1) & mask) {
      const slot = (places[place] as number) - 1;
      if (slot === -1) return -1;
      if (this.#hashes[slot] === hash && this.#idOf(slot) === id) return slot;
    }
  }
}

class Table {
  /** Slot + 1 by place, 0 where free; at least twice as long as there are slots. */
  readonly places: Int32Array;
  readonly mask: number;
  // The places are too many for a near cache, so they are only read where they are likely to tell
  // something. Nearly every id that is looked up is new, and a bit for each of four times as many
  // places says so; and a bit for each place says whether it is taken.
  readonly #seen: Int32Array;
  readonly #seenMask: number;
  readonly #taken: Int32Array;

  constructor(slots: number) {
    const length = slots === 0 ? 0 : 2 ** Math.ceil(Math.log2(slots * 2));
    this.places = new Int32Array(length);
    this.mask = length - 1;
    this.#seen = new Int32Array(Math.ceil(length / 8));
    this.#seenMask = length * 4 - 1;
    this.#taken = new Int32Array(Math.ceil(length / 32));
  }

  mayHave(hash: number): boolean {
    return hasBit(this.#seen, hash & this.#seenMask);
  }

  add(slot: number, hash: number): void {
    setBit(this.#seen, hash & this.#seenMask);
    let place = hash & this.mask;
    while (hasBit(this.#taken, place)) place = (place + 1) & this.mask;
    setBit(this.#taken, place);
    this.places[place] = slot + 1;
  }

  clear(): void {
    this.places.fill(0);
    this.#seen.fill(0);
    this.#taken.fill(0);
  }
}
