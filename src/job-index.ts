import { hashOf } from './id-hash.ts';
import type { Job } from './job.ts';

const fewestBuckets = 8;

/**
 * Accepted and unsettled orders by id, chained through the jobs themselves. A `Map` of a million
 * orders stops the event loop for tens of milliseconds when it grows or shrinks; linear hashing (W.
 * Litwin, 1980) splits or merges one bucket at a time instead. It also touches less memory, which is
 * what a large backlog costs.
 */
export class JobIndex {
  #size = 0;
  readonly #buckets = new Array<Job | undefined>(fewestBuckets).fill(undefined);
  // There are `#mask + 1 + #split` buckets; those below `#split` have been split by one more bit.
  #mask = fewestBuckets - 1;
  #split = 0;

  get size(): number {
    return this.#size;
  }

  get(id: string): Job | undefined {
    if (this.#size === 0) return undefined;
    const hash = hashOf(id);
    let job = this.#buckets[this.#bucketOf(hash)];
    while (job !== undefined && (job.hash !== hash || job.id !== id)) job = job.chain;
    return job;
  }

  /** Adds an order whose id is nowhere here. */
  add(job: Job): void {
    job.hash = hashOf(job.id);
    this.#push(this.#bucketOf(job.hash), job);
    this.#size += 1;
    if (this.#size > this.#buckets.length) this.#splitOne();
  }

  /** Takes an order out if it is here. */
  delete(job: Job): void {
    const bucket = this.#bucketOf(job.hash);
    let before: Job | undefined;
    for (let at = this.#buckets[bucket]; at !== job; at = at.chain) {
      if (at === undefined) return;
      before = at;
    }
    if (before === undefined) this.#buckets[bucket] = job.chain;
    else before.chain = job.chain;
    job.chain = undefined;
    this.#size -= 1;
    if (this.#size * 4 < this.#buckets.length && this.#buckets.length > fewestBuckets) {
      this.#mergeOne();
    }
  }

  /** All orders, oldest first; takes time for all of them. */
  all(): Job[] {
    const jobs: Job[] = [];
    for (const first of this.#buckets) {
      for (let job = first; job !== undefined; job = job.chain) jobs.push(job);
    }
    return jobs.sort((a, b) => a.acceptedAt - b.acceptedAt);
  }

  #bucketOf(hash: number): number {
    const bucket = hash & this.#mask;
    return bucket < this.#split ? hash & (this.#mask * 2 + 1) : bucket;
  }

  #push(bucket: number, job: Job): void {
    job.chain = this.#buckets[bucket];
    this.#buckets[bucket] = job;
  }

  #splitOne(): void {
    const from = this.#split;
    const bit = this.#mask + 1;
    let job = this.#buckets[from];
    this.#buckets[from] = undefined;
    this.#buckets.push(undefined);
    while (job !== undefined) {
      const { chain } = job;
      this.#push(job.hash & bit ? from + bit : from, job);
      job = chain;
    }
    this.#split += 1;
    if (this.#split === bit) {
      this.#mask = this.#mask * 2 + 1;
      this.#split = 0;
    }
  }

  #mergeOne(): void {
    if (this.#split === 0) {
      this.#mask >>= 1;
      this.#split = this.#mask + 1;
    }
    this.#split -= 1;
    let job = this.#buckets.pop();
    while (job !== undefined) {
      const { chain } = job;
      this.#push(this.#split, job);
      job = chain;
    }
  }
}
