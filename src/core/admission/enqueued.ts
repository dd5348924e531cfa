import type { Job } from '../lifecycle/job.ts';
import type { OrderRecord } from '../order/outcome.ts';

/** An order that was enqueued. */
export interface HandedIn {
  /** As it was accepted, or as it is if it was known. */
  readonly record: OrderRecord;
  /** As it is now; for who waits for its end. */
  now(): OrderRecord;
  /** Its caller waits for its end no longer. */
  leave(): void;
}

/** What stands for an order that is enqueued: its job, or that of the known order, while it is unsettled. */
export interface Entered {
  readonly job: Job | undefined;
  /** Missing where the storage is still to say whether it keeps the order. */
  readonly record: OrderRecord | undefined;
}
