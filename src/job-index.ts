import { hashOf } from './id-hash.ts';
import type { Job } from './job.ts';

/** So many that growing one of them, with a million orders in all, takes less than a millisecond. */
const shardCount = 64;

/** At most this share of a shard's places is taken, and at least a quarter of that. */
const load = 0.64;

/** Enough for a few thousand orders in all, so that a common load never resizes. */
const fewestPlaces = 64;

/**
 * Accepted and unsettled orders by id: a hash table with open addressing, in shards. A `Map` of a
 * million orders stops the event loop for tens of milliseconds when it grows or shrinks. And a look-up
 * here reads hashes that lie side by side, not the orders, which in a large backlog are in no cache.
 */
export class JobIndex {
  readonly #shards = Array.from({ length: shardCount }, () => new Shard());
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: string): Job | undefined {
    if (this.#size === 0) return undefined;
    const hash = hashOf(id);
    return this.#shardOf(hash).get(id, hash);
  }

  /** Adds an order whose id is nowhere here. */
  add(job: Job): void {
    job.hash = hashOf(job.id);
    this.#shardOf(job.hash).add(job);
    this.#size += 1;
  }

  /** Takes an order out if it is here. */
  delete(job: Job): void {
    if (this.#shardOf(job.hash).delete(job)) this.#size -= 1;
  }

  /** All orders, oldest first, by the millisecond; takes time for all of them. */
  all(): Job[] {
    const jobs = this.#shards.flatMap((shard) => shard.all());
    return jobs.sort((a, b) => a.acceptedAt - b.acceptedAt);
  }

  /** By the upper 6 bits; a shard places by the lower ones. */
  #shardOf(hash: number): Shard {
    return this.#shards[hash >>> 26] as Shard;
  }
}

class Shard {
  /** By place, 0 where free. */
  #hashes = new Int32Array(fewestPlaces);
  #jobs = new Array<Job | undefined>(fewestPlaces).fill(undefined);
  #mask = fewestPlaces - 1;
  #size = 0;

  get(id: string, hash: number): Job | undefined {
    const hashes = this.#hashes;
    for (let place = hash & this.#mask; ; place = (place + 1) & this.#mask) {
      if (hashes[place] === 0) return undefined;
      if (hashes[place] !== hash) continue;
      const job = this.#jobs[place] as Job;
      if (job.id === id) return job;
    }
  }

  add(job: Job): void {
    this.#size += 1;
    if (this.#size > load * this.#jobs.length) this.#resize(this.#jobs.length * 2);
    this.#put(job, job.hash);
  }

  delete(job: Job): boolean {
    const hashes = this.#hashes;
    const jobs = this.#jobs;
    const mask = this.#mask;
    let gap = job.hash & mask;
    while (hashes[gap] !== job.hash || jobs[gap] !== job) {
      if (hashes[gap] === 0) return false;
      gap = (gap + 1) & mask;
    }
    // Closes the gap with what is not at home between it and its place, so that no search stops short.
    for (let place = (gap + 1) & mask; hashes[place] !== 0; place = (place + 1) & mask) {
      const hash = hashes[place] as number;
      if (((place - hash) & mask) < ((place - gap) & mask)) continue;
      hashes[gap] = hash;
      jobs[gap] = jobs[place];
      gap = place;
    }
    hashes[gap] = 0;
    jobs[gap] = undefined;
    this.#size -= 1;
    if (this.#size * 4 < load * jobs.length && jobs.length > fewestPlaces) {
      this.#resize(jobs.length / 2);
    }
    return true;
  }

  all(): Job[] {
    return this.#jobs.filter((job) => job !== undefined);
  }

  #put(job: Job, hash: number): void {
    let place = hash & this.#mask;
    while (this.#hashes[place] !== 0) place = (place + 1) & this.#mask;
    this.#hashes[place] = hash;
    this.#jobs[place] = job;
  }

  #resize(places: number): void {
    const hashes = this.#hashes;
    const jobs = this.#jobs;
    this.#hashes = new Int32Array(places);
    this.#jobs = new Array<Job | undefined>(places).fill(undefined);
    this.#mask = places - 1;
    hashes.forEach((hash, place) => {
      if (hash !== 0) this.#put(jobs[place] as Job, hash);
    });
  }
}
