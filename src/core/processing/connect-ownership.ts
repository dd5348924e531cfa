import type { Availability } from '../durability/availability.ts';
import type { HandedInOrders } from '../durability/handed-in-orders.ts';
import { Ownership } from '../durability/ownership.ts';
import type { InFlightOrders } from '../lifecycle/in-flight-orders.ts';
import type { Clock } from '../runtime/clock.ts';
import type { JournalStorage } from '../storage/ledger.ts';
import type { SharedOrders } from '../storage/shared-storage.ts';
import { type ForgettingSources, ForgottenOrders } from './forgotten-orders.ts';

/** What ownership needs of other stages. */
interface Sources extends ForgettingSources {
  readonly clock: Clock;
  readonly inFlight: InFlightOrders;
  readonly availability: Availability | undefined;
}

/**
 * Makes the processor one of several that share the storage.
 *
 * @param here - the orders handed in here
 * @param capacity - how many owned orders may be unsettled in memory
 */
export function connectOwnership(
  sources: Sources,
  { shared }: JournalStorage,
  here: HandedInOrders,
  capacity: number,
): Ownership {
  const { availability, clock, dispatcher, inFlight, lifecycle } = sources;
  const heldSize = (): number => dispatcher.queue.heldSize;
  const own = { lifecycle, inFlight, clock, here, capacity, heldSize };
  return new Ownership(
    { ...own, shared: shared as SharedOrders, availability: availability as Availability },
    new ForgottenOrders(sources),
  );
}
