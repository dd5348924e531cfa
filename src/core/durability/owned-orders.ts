import type { Job } from '../lifecycle/job.ts';
import { isOver } from '../lifecycle/order-state.ts';
import type { OwnedPartition } from '../storage/shared-storage.ts';

/** A partition that is owned, or is being released. */
interface Owned {
  /** Its orders that are taken up, until they are settled and nothing of them runs. */
  readonly jobs: Set<Job>;
  /** Resolves when it is released. */
  readonly isReleased: PromiseWithResolvers<void>;
  isReleasing: boolean;
  /** How much is done to its lanes, beside orders, that has not ended. */
  work: number;
}

/** The partitions that this processor owns, and the orders of each that it has taken up. */
export class OwnedOrders {
  readonly #partitions = new Map<OwnedPartition, Owned>();
  readonly #partitionOf = new Map<Job, OwnedPartition>();
  #unsettled = 0;
  readonly #ended: (partition: OwnedPartition) => void;

  /** @param ended - called when a partition is owned no longer */
  constructor(ended: (partition: OwnedPartition) => void) {
    this.#ended = ended;
  }

  /** How many orders are unsettled. */
  get size(): number {
    return this.#unsettled;
  }

  gain(partition: OwnedPartition): void {
    const isReleased = Promise.withResolvers<void>();
    this.#partitions.set(partition, { jobs: new Set(), isReleased, isReleasing: false, work: 0 });
  }

  /** Whether an order of a partition may be taken up. */
  mayTake(partition: OwnedPartition | undefined): boolean {
    const owned = partition && this.#partitions.get(partition);
    return owned !== undefined && !owned.isReleasing;
  }

  /**
   * Something is done to the lanes of a partition: it is not handed over before that has ended.
   *
   * @returns called when it has ended; `undefined` if the partition is not owned, or is being released
   */
  work(partition: OwnedPartition): (() => void) | undefined {
    const owned = this.#partitions.get(partition);
    if (owned === undefined || owned.isReleasing) return undefined;
    owned.work += 1;
    return () => {
      owned.work -= 1;
      if (this.#partitions.get(partition) === owned) this.endIfEmpty(partition);
    };
  }

  add(job: Job, partition: OwnedPartition): void {
    this.#partitions.get(partition)?.jobs.add(job);
    this.#partitionOf.set(job, partition);
    this.#unsettled += 1;
  }

  /** The partition of an order that was taken up; `undefined` once it is lost. */
  partitionOf(job: Job): OwnedPartition | undefined {
    return this.#partitionOf.get(job);
  }

  /** The orders of a partition. */
  of(partition: OwnedPartition): Job[] {
    return [...(this.#partitions.get(partition)?.jobs ?? [])];
  }

  /** No order of a partition is taken up any more. Resolves when `endIfEmpty` has found it empty, or it ends. */
  release(partition: OwnedPartition): Promise<void> {
    const owned = this.#partitions.get(partition);
    if (owned === undefined) return Promise.resolve();
    owned.isReleasing = true;
    return owned.isReleased.promise;
  }

  /** An order is settled, or forgotten. */
  left(job: Job): void {
    if (!this.#partitionOf.has(job)) return;
    this.#unsettled -= 1;
    // Else `delete` follows when nothing of it runs any more.
    if (job.run === undefined) this.delete(job);
  }

  /** Nothing runs of an order that has left. */
  delete(job: Job): void {
    const partition = this.#partitionOf.get(job);
    if (partition === undefined) return;
    this.#partitionOf.delete(job);
    this.#partitions.get(partition)?.jobs.delete(job);
    this.endIfEmpty(partition);
  }

  /** Ends a partition that is being released, and has no order left. */
  endIfEmpty(partition: OwnedPartition): void {
    const owned = this.#partitions.get(partition);
    if (owned?.isReleasing && owned.jobs.size + owned.work === 0) this.end(partition);
  }

  /** The partition is owned no longer. */
  end(partition: OwnedPartition): void {
    const owned = this.#partitions.get(partition);
    if (owned === undefined) return;
    this.#partitions.delete(partition);
    for (const job of owned.jobs) {
      this.#partitionOf.delete(job);
      if (!isOver(job)) this.#unsettled -= 1;
    }
    this.#ended(partition);
    owned.isReleased.resolve();
  }

  /** The processor has closed. */
  close(): void {
    for (const partition of [...this.#partitions.keys()]) this.end(partition);
  }
}
