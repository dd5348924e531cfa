import type { Job } from '../lifecycle/job.ts';
import type { CallEnd } from '../lifecycle/lifecycle.ts';
import type { OrderError } from '../order/order-error.ts';
import type { OrderOutcome, UnfulfilledOutcome } from '../order/outcome.ts';
import type { StoredOrder, Times } from '../order/stored-order.ts';

/** What a `Settler` says of orders and of the storage. */
export interface SettlerListener {
  /** The order is settled; or it failed with `storage_failed`, and the storage has nothing of it. */
  settled(job: Job, outcome: OrderOutcome, times: Times): void;
  /** The storage refused the amount after the steps completed; compensate them. */
  refused(job: Job, error: OrderError): void;
  /** The amount of an order whose steps have not run had been applied before: run the steps. */
  admitted(job: Job): void;
  /** The id of an order that was not accepted before belongs to another, or was settled before. */
  known(job: Job, order: StoredOrder): void;
  /** Its outcome is certain and noted, though it is not settled. */
  noted(job: Job, outcome: UnfulfilledOutcome): void;
  /** The storage, which keeps orders, has nothing of this one, and can settle none now. */
  notAccepted(job: Job, error: OrderError): void;
  /** A call with the order failed, or the order waits behind one of such a call; it is settled when the storage works. */
  delayed(job: Job, error: OrderError): void;
  calling(operation: 'settle', size: number): CallEnd | undefined;
  /** The storage cannot settle this order, and settles others. */
  setApart(error: OrderError): void;
  /** A call of the storage failed, and the callers of its orders have been notified; or it has not answered. */
  storageFailed(error: OrderError): void;
}
