import type { Job } from '../lifecycle/job.ts';
import type { CallEnd } from '../lifecycle/lifecycle.ts';
import type { OrderError } from '../order/order-error.ts';
import type { OrderOutcome, UnfulfilledOutcome } from '../order/outcome.ts';
import type { StoredOrder, Times } from '../order/stored-order.ts';

/** What a `Settler` says of orders and of the storage. */
export interface SettlerListener {
  /** The order is settled, or will never be: `storage_failed`. */
  settled(job: Job, outcome: OrderOutcome, times: Times): void;
  /** The storage refused the amount after the steps completed; compensate them. */
  refused(job: Job, error: OrderError): void;
  /** The amount of an order whose steps have not run was taken: it had been applied before. */
  admitted(job: Job): void;
  /** The id of an order that was not accepted before belongs to another, or was settled before. */
  known(job: Job, order: StoredOrder): void;
  /** Its outcome is certain and noted, though it is not settled. */
  noted(job: Job, outcome: UnfulfilledOutcome): void;
  /** The storage failed to settle an accepted order, which goes on waiting for that. */
  delayed(job: Job, error: OrderError): void;
  calling(operation: 'settle', size: number): CallEnd | undefined;
  /** The storage cannot settle this order, which waits alone from now on. */
  setApart(error: OrderError): void;
  /** A call of the storage failed, and the orders in it have been told; or it has not answered. */
  storageFailed(error: OrderError): void;
}
