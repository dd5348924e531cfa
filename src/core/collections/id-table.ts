import type { Job } from '../lifecycle/job.ts';
import { clearBit, hasBit, setBit } from './bits.ts';

/** At most this share of a table's places is taken, and at least an eighth of that. */
const load = 0.64;

/** So many bits for each place: most ids that are looked up are in no table, and a bit says so. */
const bitsPerPlace = 4;

/**
 * Orders by id: a hash table with open addressing. A look-up reads bits, then hashes that lie side by side, then
 * the one order: those of a large table are in no cache.
 */
export class JobTable {
  readonly #fewestPlaces: number;
  /** By place, 0 where free. */
  #hashes: Int32Array;
  #jobs: (Job | undefined)[];
  /** A bit is set where a hash with these lower bits is in the table. */
  #bits: Int32Array;
  #mask: number;
  #size = 0;

  /** @param fewestPlaces - a power of two, from 32 up; with fewer it would be resized all the time */
  constructor(fewestPlaces: number) {
    this.#fewestPlaces = fewestPlaces;
    this.#hashes = new Int32Array(fewestPlaces);
    this.#jobs = new Array<Job | undefined>(fewestPlaces).fill(undefined);
    this.#bits = new Int32Array((fewestPlaces * bitsPerPlace) / 32);
    this.#mask = fewestPlaces - 1;
  }

  get size(): number {
    return this.#size;
  }

  get(id: string, hash: number): Job | undefined {
    if (!hasBit(this.#bits, hash & this.#bitMask)) return undefined;
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

  /** Takes an order out; false if it is not here. */
  delete(job: Job): boolean {
    const hashes = this.#hashes;
    const jobs = this.#jobs;
    const mask = this.#mask;
    const { hash } = job;
    let gap = hash & mask;
    while (hashes[gap] !== hash || jobs[gap] !== job) {
      if (hashes[gap] === 0) return false;
      gap = (gap + 1) & mask;
    }
    // Closes the gap with what is not at home between it and its place, so that no search stops short.
    for (let place = (gap + 1) & mask; hashes[place] !== 0; place = (place + 1) & mask) {
      const other = hashes[place] as number;
      if (((place - other) & mask) < ((place - gap) & mask)) continue;
      hashes[gap] = other;
      jobs[gap] = jobs[place];
      gap = place;
    }
    hashes[gap] = 0;
    jobs[gap] = undefined;
    this.#clearBit(hash);
    this.#size -= 1;
    if (this.#size * 8 < load * jobs.length && jobs.length > this.#fewestPlaces) {
      this.#resize(jobs.length / 2);
    }
    return true;
  }

  all(): Job[] {
    return this.#jobs.filter((job) => job !== undefined);
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

  #put(job: Job, hash: number): void {
    setBit(this.#bits, hash & this.#bitMask);
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
    this.#bits = new Int32Array((places * bitsPerPlace) / 32);
    this.#mask = places - 1;
    hashes.forEach((hash, place) => {
      if (hash !== 0) this.#put(jobs[place] as Job, hash);
    });
  }
}
