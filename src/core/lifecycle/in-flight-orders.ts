import { hashIn, type Keyed, keyOf } from '../collections/id-hash.ts';
import { IdTable } from '../collections/id-table.ts';
import type { Job } from './job.ts';

/** So many that growing one of them, with a million orders in all, takes less than a millisecond. */
const tableCount = 64;

/** So many orders are in a table of their own when they come, which is small enough for a near cache. */
const mostNew = 4_096;

/** Enough for a common load, so that it never resizes. */
const newPlaces = 2_048;

/**
 * Accepted and unsettled orders by id. A `Map` of a million orders stops the event loop for tens of milliseconds
 * when it grows or shrinks; so there are many tables. And most orders are settled soon after they were accepted,
 * also beside a large backlog: they never get into the large tables, which are in no cache.
 */
export class InFlightOrders {
  readonly #mostNew: number;
  #new = new IdTable<Job>(newPlaces);
  readonly #old = Array.from({ length: tableCount }, () => new IdTable<Job>(64));
  #oldSize = 0;

  constructor(most = mostNew) {
    this.#mostNew = most;
  }

  get size(): number {
    return this.#new.size + this.#oldSize;
  }

  get(id: string): Job | undefined {
    return this.find(keyOf(id));
  }

  /** The order that has the key's id. */
  find(key: Keyed): Job | undefined {
    if (this.size === 0) return undefined;
    const { id } = key;
    const hash = hashIn(key);
    const job = this.#new.get(id, hash);
    return job === undefined && this.#oldSize > 0 ? this.#tableOf(hash).get(id, hash) : job;
  }

  /** Adds an order whose id is nowhere here. */
  add(job: Job): void {
    // The tables go by `job.hash`.
    hashIn(job);
    if (this.#new.size === this.#mostNew) this.#age();
    this.#new.add(job);
  }

  /** Takes an order out; false if it is not here. */
  delete(job: Job): boolean {
    if (this.#new.delete(job)) return true;
    const isOld = this.#oldSize > 0 && this.#tableOf(job.hash).delete(job);
    if (isOld) this.#oldSize -= 1;
    return isOld;
  }

  /** All orders in the order of acceptance, then those on their way into the storage; takes time for all of them. */
  all(): Job[] {
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
