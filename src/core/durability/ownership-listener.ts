import type { Job } from '../lifecycle/job.ts';
import type { OrderError } from '../order/order-error.ts';
import type { OwnedPartition, SharedStorageListener } from '../storage/shared-storage.ts';

/** Follows for the other stages what becomes of partitions and their orders. */
export interface OwnershipListener extends Pick<SharedStorageListener, 'asked' | 'answered'> {
  gained(partition: OwnedPartition): void;
  /** A partition is being released; resolves when nothing is done to its lanes, beside orders. Never rejects. */
  releasing(partition: OwnedPartition): Promise<void>;
  /** A partition is owned no longer. */
  ended(partition: OwnedPartition): void;
  /** Takes a waiting order out of the queue; false if it does not wait there. */
  drop(job: Job): boolean;
  /** An order that has begun is forgotten: what runs of it is aborted. */
  abandoned(job: Job): void;
  /** Orders are forgotten: none of them is settled here. */
  forgotten(): void;
  /** An order is awaited here that was not handed in here. */
  awaited(job: Job): void;
  /** The next order of the storage may be taken up. */
  mayGoOn(): void;
  cancel(job: Job): void;
  /** Another processor may have settled orders. */
  applied(): void;
  storageFailed(error: OrderError): void;
}
