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
  // Slot + 1 by place, 0 where free. Each at least twice as long as there are slots.
  #places = new Int32Array(0);
  #before = new Int32Array(0);
  #mask = 0;
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
    const length = 2 ** Math.ceil(Math.log2(slots * 2));
    this.#hashes = new Int32Array(slots);
    this.#hashes.set(hashes);
    this.#places = new Int32Array(length);
    this.#before = new Int32Array(length);
    this.#mask = length - 1;
    this.#added = 0;
    hashes.forEach((hash, slot) => {
      this.add(slot, hash);
    });
  }

  /** The slot of an id, or -1. */
  find(id: string): number {
    if (this.#mask === 0) return -1;
    const hash = hashOf(id);
    const slot = this.#findIn(this.#places, id, hash);
    return slot === -1 ? this.#findIn(this.#before, id, hash) : slot;
  }

  /** Notes that a slot, the next in turn, holds an id of this hash. */
  add(slot: number, hash: number): void {
    if (this.#added === this.#hashes.length) {
      [this.#places, this.#before] = [this.#before, this.#places];
      this.#places.fill(0);
      this.#added = 0;
    }
    this.#added += 1;
    this.#hashes[slot] = hash;
    const places = this.#places;
    let place = hash & this.#mask;
    while (places[place] !== 0) place = (place + 1) & this.#mask;
    places[place] = slot + 1;
  }

  #findIn(places: Int32Array, id: string, hash: number): number {
    for (let place = hash & this.#mask; ; place = (place + 1) & this.#mask) {
      const slot = (places[place] as number) - 1;
      if (slot === -1) return -1;
      if (this.#hashes[slot] === hash && this.#idOf(slot) === id) return slot;
    }
  }
}
