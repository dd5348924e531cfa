import type { InFlightOrders } from '../../lifecycle/in-flight-orders.ts';
import { Job } from '../../lifecycle/job.ts';
import type { Lifecycle } from '../../lifecycle/lifecycle.ts';
import type { OrderError } from '../../order/order-error.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { JournalStorage } from '../../storage/ledger.ts';
import type { Dispatcher } from '../dispatcher.ts';
import { DelayedOrders } from './delayed-orders.ts';
import { StoredDelays } from './stored-delays.ts';

/** What delayed orders need of other stages. */
interface Sources {
  readonly clock: Clock;
  readonly lifecycle: Lifecycle;
  readonly inFlight: InFlightOrders;
  readonly dispatcher: Dispatcher;
  /** Where the storage keeps orders. */
  readonly journal: JournalStorage | undefined;
  /** How many more orders may be unsettled. */
  room(): number;
  /** Puts an order of the storage into its lane. */
  recover(job: Job): void;
  /** Puts an order in flight into its lane. */
  enter(job: Job): void;
  storageFailed(error: OrderError): void;
  whenAvailable(): Promise<void>;
}

/** Makes what has delayed orders wait, as the storage needs it. */
export function connectDelays(sources: Sources): DelayedOrders {
  const { clock, dispatcher, inFlight, journal, lifecycle, room, recover, enter } = sources;
  const isStored = journal !== undefined && journal.shared === undefined;
  const stored = isStored
    ? new StoredDelays({
        ...{ storage: journal, clock, startedAt: journal.startedAt, room },
        get: (id) => inFlight.get(id),
        recovered: (order) => recover(Job.recovered(order, clock)),
        enter: (job) => delayed.enter(job),
        failed: sources.storageFailed,
        whenAvailable: sources.whenAvailable,
      })
    : undefined;
  // If several processors share the storage, the orders that it gives have room.
  const hasRoom = (): boolean => journal?.shared !== undefined || room() > 0;
  const delayed = new DelayedOrders({
    clock,
    dispatcher,
    enter,
    hasRoom,
    inFlight,
    lifecycle,
    stored,
  });
  return delayed;
}
