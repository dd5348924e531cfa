import { hashIn, type Keyed, keyOf } from '../collections/id-hash.ts';
import { IdTable } from '../collections/id-table.ts';
import { SequenceIndex } from '../collections/sequence-index.ts';
import { Tally } from '../collections/tally.ts';
import type { Job } from './job.ts';

/** Growing one of so many tables, with a million orders in all, takes less than a millisecond. */
const tableCount = 64;

/** How many of the latest orders are in a table of their own, which is small enough for a near cache. */
const mostNewByDefault = 4_096;

/** Enough for a common load, so that the table never resizes. */
const newPlaces = 2_048;

/** How `InFlightOrders` holds them. */
interface Holding {
  /** Whether it counts the orders of each user; a million users cost memory. */
  readonly countsUsers?: boolean;
  readonly mostNew?: number;
}

/**
 * The orders that this process has accepted or is about to accept, and that are not settled: by id, by sequence,
 * counted by user. It is the one place that knows them.
 *
 * A `Map` of a million orders stops the event loop for tens of milliseconds when it grows or shrinks, so there are
 * many tables. Most orders are settled soon after they were accepted, also beside a large backlog: they never get
 * into the large tables, which are in no cache.
 */
export class InFlightOrders {
  /** Whether orders that an earlier process left unsettled may still be missing here. */
  isRecovering = false;
  /** How many of them wait for their `notBefore`; they have no permit of `capacity`. */
  delayed = 0;
  /** Whether a storage keeps those for which no caller waits. */
  keepsDelayed = false;
  readonly #mostNew: number;
  /** The only order, while there is no other: many orders come and go alone, and use no table. */
  #alone: Job | undefined = undefined;
  #new = new IdTable<Job>(newPlaces);
  readonly #old = Array.from({ length: tableCount }, () => new IdTable<Job>(64));
  #oldSize = 0;
  readonly #bySequence = new SequenceIndex<Job>();
  readonly #byUser: Tally | undefined;

  constructor({ countsUsers = false, mostNew = mostNewByDefault }: Holding = {}) {
    this.#mostNew = mostNew;
    this.#byUser = countsUsers ? new Tally() : undefined;
  }

  get size(): number {
    return this.#alone === undefined ? this.#new.size + this.#oldSize : 1;
  }

  /** How many of them have a permit of `capacity`. */
  get active(): number {
    return this.size - this.delayed;
  }

  /** How many orders of a user are here; 0 if users are not counted. */
  countOf(userId: string): number {
    return this.#byUser === undefined ? 0 : this.#byUser.of(userId);
  }

  get(id: string): Job | undefined {
    return this.find(keyOf(id));
  }

  /** The order that has the key's id. */
  find(key: Keyed): Job | undefined {
    const alone = this.#alone;
    if (alone !== undefined) return alone.id === key.id ? alone : undefined;
    if (this.size === 0) return undefined;
    const { id } = key;
    const hash = hashIn(key);
    const job = this.#new.get(id, hash);
    return job === undefined && this.#oldSize > 0 ? this.#tableOf(hash).get(id, hash) : job;
  }

  /** Adds an order whose id no order here has. */
  add(job: Job): void {
    this.#byUser?.add(job.userId, 1);
    if (this.size === 0) {
      this.#alone = job;
      return;
    }
    const alone = this.#alone;
    this.#alone = undefined;
    if (alone !== undefined) this.#addToTables(alone);
    this.#addToTables(job);
  }

  #addToTables(job: Job): void {
    // The tables go by `job.hash`.
    hashIn(job);
    if (this.#new.size === this.#mostNew) this.#age();
    this.#new.add(job);
    this.addSequence(job);
  }

  /** The storage has given an order its sequence. */
  addSequence(job: Job): void {
    if (job.sequence > 0 && job !== this.#alone) this.#bySequence.add(job);
  }

  /** Removes an order; nothing happens if it is not here. */
  remove(job: Job): void {
    // If its steps still run, they need the scope.
    if (job.run === undefined) job.leaveScope();
    if (job === this.#alone) this.#alone = undefined;
    else if (!this.#removeFromTables(job)) return;
    this.#byUser?.add(job.userId, -1);
  }

  #removeFromTables(job: Job): boolean {
    if (job.sequence > 0) this.#bySequence.delete(job);
    if (this.#new.delete(job)) return true;
    if (this.#oldSize === 0 || !this.#tableOf(job.hash).delete(job)) return false;
    this.#oldSize -= 1;
    return true;
  }

  /**
   * Visits some orders whose sequence is below `before`, the newest first, until a visit says that it is enough.
   *
   * @returns below which sequence to go on; `undefined` at the end. Orders may come and go meanwhile
   */
  visit(before: number, isEnough: (job: Job) => boolean): number | undefined {
    const alone = this.#alone;
    if (alone === undefined) return this.#bySequence.visit(before, isEnough);
    if (alone.sequence > 0 && alone.sequence < before) isEnough(alone);
    return undefined;
  }

  /** All orders by sequence, then orders without one. Takes time for each order. */
  all(): Job[] {
    if (this.#alone !== undefined) return [this.#alone];
    const jobs = [...this.#old, this.#new].flatMap((table) => table.all());
    return jobs.sort((a, b) => placeOf(a) - placeOf(b) || a.acceptedAt - b.acceptedAt);
  }

  #age(): void {
    for (const job of this.#new.all()) this.#tableOf(job.hash).add(job);
    this.#oldSize += this.#new.size;
    this.#new = new IdTable<Job>(newPlaces);
  }

  /** By the upper 6 bits; a table places by the lower ones. */
  #tableOf(hash: number): IdTable<Job> {
    return this.#old[hash >>> 26] as IdTable<Job>;
  }
}

function placeOf({ sequence }: Job): number {
  return sequence === 0 ? Number.MAX_SAFE_INTEGER : sequence;
}
