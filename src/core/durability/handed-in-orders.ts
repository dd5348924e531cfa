import type { Job } from '../lifecycle/job.ts';

/**
 * Where several processors share the storage: the orders handed in here that are not settled. Those whose `notBefore`
 * has not come do not count in `size`, which `capacity` bounds.
 */
export class HandedInOrders {
  readonly #due = new Set<Job>();
  readonly #early = new Set<Job>();

  get size(): number {
    return this.#due.size;
  }

  has(job: Job): boolean {
    return this.#due.has(job) || this.#early.has(job);
  }

  add(job: Job): void {
    this.#due.add(job);
  }

  /** An order is settled, or forgotten. */
  delete(job: Job): void {
    if (!this.#due.delete(job)) this.#early.delete(job);
  }

  /** An order waits for its `notBefore`. */
  wait(job: Job): void {
    if (this.#due.delete(job)) this.#early.add(job);
  }

  /** Its time has come. */
  due(job: Job): void {
    if (this.#early.delete(job)) this.#due.add(job);
  }
}
