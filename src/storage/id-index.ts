import { hashOf } from '../id-hash.ts';

/**
 * Finds the slot of a ring that holds an id: a hash table in two typed arrays, with open addressing.
 * A `Map` does the same with one entry of three words for each id and another for each deleted one;
 * at a hundred thousand ids that is what a settlement costs most. Here it is a third of the time, and
 * nothing that the garbage collector has to look at.
 */
export class IdIndex {
  readonly #idOf: (slot: number) => string | undefined;
  /** Slot + 1 by place, 0 where free. At least twice as long as there are ids. */
  #places = new Int32Array(0);
  #mask = 0;
  /** By slot. */
  #hashes = new Int32Array(0);

  /** @param idOf - the id in a slot; must still answer for a slot that is being deleted */
  constructor(idOf: (slot: number) => string | undefined) {
    this.#idOf = idOf;
  }

  /** Makes room for ids in slots below `slots`. */
  grow(slots: number): void {
    const hashes = new Int32Array(slots);
    hashes.set(this.#hashes);
    const places = this.#places;
    this.#hashes = hashes;
    this.#places = new Int32Array(2 ** Math.ceil(Math.log2(slots * 2)));
    this.#mask = this.#places.length - 1;
    for (const slot of places) {
      if (slot !== 0) this.#places[this.#freePlace(hashes[slot - 1] as number)] = slot;
    }
  }

  /** The slot of an id, or -1. */
  find(id: string): number {
    if (this.#mask === 0) return -1;
    const hash = hashOf(id);
    const places = this.#places;
    for (let place = hash & this.#mask; ; place = (place + 1) & this.#mask) {
      const slot = (places[place] as number) - 1;
      if (slot === -1) return -1;
      if (this.#hashes[slot] === hash && this.#idOf(slot) === id) return slot;
    }
  }

  /** Notes that a free slot now holds an id, of this hash, that is nowhere yet. */
  add(slot: number, hash: number): void {
    this.#hashes[slot] = hash;
    this.#places[this.#freePlace(hash)] = slot + 1;
  }

  /** Forgets a slot's id. Closes the gap, so that no search stops short and none passes old marks. */
  delete(slot: number): void {
    const places = this.#places;
    const hashes = this.#hashes;
    const mask = this.#mask;
    let gap = (hashes[slot] as number) & mask;
    while (places[gap] !== slot + 1) gap = (gap + 1) & mask;
    for (let place = (gap + 1) & mask; places[place] !== 0; place = (place + 1) & mask) {
      const home = (hashes[(places[place] as number) - 1] as number) & mask;
      // What is at home between the gap and here is not found through the gap.
      if (((place - home) & mask) < ((place - gap) & mask)) continue;
      places[gap] = places[place] as number;
      gap = place;
    }
    places[gap] = 0;
  }

  #freePlace(hash: number): number {
    let place = hash & this.#mask;
    while (this.#places[place] !== 0) place = (place + 1) & this.#mask;
    return place;
  }
}
