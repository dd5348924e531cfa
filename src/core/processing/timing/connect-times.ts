import type { HandedInOrders } from '../../durability/handed-in-orders.ts';
import type { Ownership } from '../../durability/ownership.ts';
import type { InFlightOrders } from '../../lifecycle/in-flight-orders.ts';
import { Job } from '../../lifecycle/job.ts';
import type { Lifecycle } from '../../lifecycle/lifecycle.ts';
import type { OrderError } from '../../order/order-error.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { JournalStorage, Ledger } from '../../storage/ledger.ts';
import type { Dispatcher } from '../dispatcher.ts';
import { DelayedOrders } from './delayed-orders.ts';
import type { Rate } from './rate.ts';
import { StoredDelays } from './stored-delays.ts';
import { UserRates } from './user-rates.ts';

/** What delayed orders and rates need of other stages. */
interface Sources {
  readonly clock: Clock;
  readonly lifecycle: Lifecycle;
  readonly inFlight: InFlightOrders;
  readonly dispatcher: Dispatcher;
  /** Where the storage keeps orders. */
  readonly journal: JournalStorage | undefined;
  /** Where several processors share it. */
  readonly here: HandedInOrders | undefined;
  /** How many more orders may be unsettled. */
  room(): number;
  /** Puts an order of the storage into its lane. */
  recover(job: Job): void;
  /** Puts an order in flight into its lane. */
  enter(job: Job): void;
  readonly ledger: Ledger;
  readonly rate: Rate | undefined;
  /** Where several processors share the storage. */
  ownership(): Ownership | undefined;
  /** When the failed order began that holds a user's lane, in Unix milliseconds, if one does. */
  heldOrderBeganAt(userId: string): Promise<number | undefined>;
  /** Orders of a user wait, since it has used up its rate. */
  waits(userId: string): void;
  storageFailed(error: OrderError): void;
  whenAvailable(): Promise<void>;
}

/** Makes what has delayed orders wait, as the storage needs it, and what bounds the rate of users. */
export function connectTimes(sources: Sources): DelayedOrders {
  const { clock, dispatcher, inFlight, journal, lifecycle, room, recover, enter, here } = sources;
  const isStored = journal !== undefined && journal.shared === undefined;
  inFlight.keepsDelayed = journal !== undefined;
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
  const delayed = new DelayedOrders({
    clock,
    dispatcher,
    enter,
    here,
    hasRoom: () => room() > 0,
    inFlight,
    lifecycle,
    stored,
  });
  dispatcher.rates = ratesOf(sources);
  return delayed;
}

function ratesOf(sources: Sources): UserRates | undefined {
  const { clock, dispatcher, journal, ledger, rate, waits, whenAvailable } = sources;
  if (rate === undefined) return undefined;
  return new UserRates({
    ...{ clock, queue: dispatcher.queue, rate, waits, whenAvailable },
    ledger: journal && ledger,
    heldOrderBeganAt: sources.heldOrderBeganAt,
    partitionOf: (job) => sources.ownership()?.partitionOf(job),
    wake: () => dispatcher.wake(),
    failed: sources.storageFailed,
  });
}
