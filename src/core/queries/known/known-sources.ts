import type { InFlightOrders } from '../../lifecycle/in-flight-orders.ts';
import type { Job } from '../../lifecycle/job.ts';
import type { Lifecycle } from '../../lifecycle/lifecycle.ts';
import type { StoredOrder } from '../../order/stored-order.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { UntilClosed } from '../../runtime/until-closed.ts';
import type { Ledger } from '../../storage/ledger.ts';

/** Where several processors share the storage: orders that another one may process. */
export interface SharedKnown {
  /** The order that the storage has. One that is unsettled is in flight by then. */
  watch(id: string): Promise<StoredOrder | undefined>;
  /** The caller of an order waits no longer. */
  unfollowed(job: Job): void;
}

/** The orders that wait for their `notBefore`. */
export interface DelayedKnown {
  readonly size: number;
  /** Takes an order of the storage into memory that waits for its time. */
  asked(ask: () => Promise<StoredOrder | undefined>): Promise<StoredOrder | undefined>;
}

/** What `KnownOrders` needs of others. */
export interface KnownSources {
  readonly ledger: Ledger;
  readonly inFlight: InFlightOrders;
  readonly lifecycle: Pick<Lifecycle, 'counts' | 'isAccepted'>;
  readonly clock: Clock;
  readonly questions: UntilClosed;
  /** When the steps of an order began, on the processor's clock. */
  startedAtOf(job: Job): number | undefined;
  ownership(): SharedKnown | undefined;
  delayed(): DelayedKnown;
}
