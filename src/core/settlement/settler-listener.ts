import type { Job } from '../lifecycle/job.ts';
import type { OrderError } from '../order/order-error.ts';
import type { UnfulfilledOutcome } from '../order/outcome.ts';
import type { StoredOrder } from '../order/stored-order.ts';

/** Is notified by a `Settler` of orders and of the storage. */
export interface SettlerListener {
  /** The storage refused the amount after the steps completed; compensate them. */
  refused(job: Job, error: OrderError): void;
  /** The amount of an order whose steps have not run had been applied before: run the steps. */
  admitted(job: Job): void;
  /** The id of an order that was not accepted before belongs to another, or was settled before. */
  known(job: Job, order: StoredOrder): void;
  /** Its outcome is certain and noted, but not settled. */
  noted(job: Job, outcome: UnfulfilledOutcome): void;
  /** The processor owns the order no longer. */
  lost(job: Job): void;
  /** An order whose outcome was to be noted is settled: by this processor, before it lost the order and got it again. */
  settledBefore(job: Job): void;
  /** The storage, which keeps orders, does not have this one, and can settle none now. */
  notAccepted(job: Job, error: OrderError): void;
  /** A call of the storage failed, and the callers of its orders have been notified; or it has not answered. */
  storageFailed(error: OrderError): void;
}

/** The options of the processor that settling depends on. */
export interface SettlerSettings {
  readonly minBalance: number | undefined;
  readonly stalledAfterMs: number;
}
