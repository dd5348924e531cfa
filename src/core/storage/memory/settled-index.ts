import { hashOf } from '../../collections/id-hash.ts';

// A bucket's numbers: seven hashes, then how far it has overflowed, then the turn of each hash.
const ENTRIES = 7;
const OVERFLOW = 7;
const TURNS = 8;
const WIDTH = 16;

/** How many ids for each bucket a table has when it grows. */
const idsPerBucket = 4;

const firstRoom = 1_024;

/**
 * More could not be distinguished from stale ones, since the counter of turns wraps around; memory ends long before.
 */
const mostSlots = 2 ** 31 - 1;

/**
 * Finds the slot of a ring that holds an id: a hash table in a typed array. A `Map` costs several times as much at
 * a hundred thousand ids, and the garbage collector looks at it. The cost of an order here is waiting for memory, so
 * everything that is read and written for its id is in one bucket, as wide as a line of the cache.
 *
 * The slots are written in turn, and turns are counted: an entry that is as many turns old as there are slots has been
 * overwritten. So nothing is ever deleted, and the place of a stale entry is free.
 *
 * While the ring fills for the first time the table grows. Its ids move to the larger table one by one, each with an
 * added id: all at once they would hold the event loop.
 */
export class IdIndex {
  readonly #idOf: (slot: number) => string | undefined;
  readonly #slots: number;
  #table: Int32Array;
  #mask: number;
  /**
   * The turn of the slot that was added last. The counter wraps around, and a very old entry may look new: its id does
   * not match.
   */
  #turn: number;
  #newest = -1;
  /** The turn at which the table grows, if there may be more ids. */
  #fullAt: number;
  /** The smaller table before the last growth, while some ids are only there: the ids from the turn `#toMove` on. */
  #before: IdIndex | undefined;
  #toMove = 0;

  /**
   * @param slots - how many the ring has when it is full
   * @param idOf - the id that a slot holds now
   * @param room - for how many ids there is room at first, if the ring has so many slots
   */
  constructor(slots: number, idOf: (slot: number) => string | undefined, room = firstRoom) {
    this.#idOf = idOf;
    this.#slots = Math.min(slots, mostSlots);
    this.#table = tableFor(Math.min(slots, room));
    this.#mask = this.#table.length / WIDTH - 1;
    // From here on the zeros in the table are stale.
    this.#turn = this.#slots;
    this.#fullAt = (this.#turn + this.#room) | 0;
  }

  /** The slot of the id, or -1. */
  find(id: string, hash = hashOf(id)): number {
    if (this.#slots === 0) return -1;
    const table = this.#table;
    const home = hash & this.#mask;
    let bucket = home;
    do {
      const first = bucket * WIDTH;
      for (let at = first; at < first + ENTRIES; at += 1) {
        if (table[at] !== hash) continue;
        const slot = this.#slotOf(table[at + TURNS] as number);
        if (slot !== -1 && this.#idOf(slot) === id) return slot;
      }
      if (this.#isStale(table[first + OVERFLOW] as number)) break;
      bucket = (bucket + 1) & this.#mask;
      // All buckets may have overflowed in turn, so the search is bounded by their number.
    } while (bucket !== home);
    return this.#before === undefined ? -1 : this.#before.find(id, hash);
  }

  /** Records that the next slot in turn holds an id of this hash. */
  add(slot: number, hash: number): void {
    if (this.#turn === this.#fullAt) this.#grow();
    this.#turn = (this.#turn + 1) | 0;
    this.#newest = slot;
    this.#put(hash, this.#turn);
    if (this.#before !== undefined) this.#moveOne(this.#before);
  }

  #put(hash: number, turn: number): void {
    const table = this.#table;
    // There is a free place: all buckets have seven places for at most four ids each on average.
    for (let bucket = hash & this.#mask; ; bucket = (bucket + 1) & this.#mask) {
      const first = bucket * WIDTH;
      for (let at = first; at < first + ENTRIES; at += 1) {
        if (!this.#isStale(table[at + TURNS] as number)) continue;
        table[at] = hash;
        table[at + TURNS] = turn;
        return;
      }
      // A search that comes here must look further until the newest overflowed id is stale.
      const overflow = first + OVERFLOW;
      if (this.#ageOf(turn) < this.#ageOf(table[overflow] as number)) table[overflow] = turn;
    }
  }

  get #room(): number {
    return (this.#mask + 1) * idsPerBucket;
  }

  #grow(): void {
    const room = this.#room;
    if (room >= this.#slots) return;
    const before = new IdIndex(this.#slots, this.#idOf, 0);
    before.#table = this.#table;
    before.#mask = this.#mask;
    before.#turn = this.#turn;
    before.#newest = this.#newest;
    this.#before = before;
    // All added ids are in there: the ring is not full yet.
    this.#toMove = (this.#turn - room + 1) | 0;
    this.#table = tableFor(Math.min(room * 4, this.#slots));
    this.#mask = this.#table.length / WIDTH - 1;
    this.#fullAt = (this.#turn - room + this.#room) | 0;
  }

  /** Moves one id with each added id: so all have moved when the table, at least twice as large, is full again. */
  #moveOne(before: IdIndex): void {
    const turn = this.#toMove;
    this.#toMove = (turn + 1) | 0;
    const slot = this.#slotOf(turn);
    const id = slot === -1 ? undefined : this.#idOf(slot);
    if (id !== undefined) this.#put(hashOf(id), turn);
    if (turn === before.#turn) this.#before = undefined;
  }

  #isStale(turn: number): boolean {
    return this.#ageOf(turn) >= this.#slots;
  }

  #ageOf(turn: number): number {
    return (this.#turn - turn) >>> 0;
  }

  /** -1 if it holds another id by now. */
  #slotOf(turn: number): number {
    if (this.#isStale(turn)) return -1;
    const slot = this.#newest - ((this.#turn - turn) | 0);
    return slot < 0 ? slot + this.#slots : slot;
  }
}

function tableFor(ids: number): Int32Array {
  return new Int32Array(2 ** Math.max(0, Math.ceil(Math.log2(ids / idsPerBucket))) * WIDTH);
}
