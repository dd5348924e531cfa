import type { Ownership } from '../durability/ownership.ts';
import type { KnownOrders } from '../queries/known-orders.ts';
import type { Ledger } from '../storage/ledger.ts';
import type { CompensationsAgain } from './compensations/compensations-again.ts';
import type { LaneSources } from './holds/lane-holds.ts';
import { LanesByPartition } from './holds/lanes-by-partition.ts';
import { LaneRequests } from './requests/lane-requests.ts';

/** What held lanes, and requests to their owners, need of other stages. */
interface Sources extends Omit<LaneSources, 'kept' | 'storage' | 'whenTakenUp'> {
  readonly ledger: Ledger;
  readonly known: KnownOrders;
  readonly compensations: CompensationsAgain;
  /** Where several processors share the storage. */
  ownership(): Ownership | undefined;
  /** Resolves when the orders of an earlier process are taken up. */
  recovered(): Promise<void>;
}

/** The lanes of this processor that are held, and, where several share the storage, what is asked of their owners. */
export function connectLanes(sources: Sources): {
  readonly heldLanes: LanesByPartition;
  readonly laneRequests: LaneRequests | undefined;
} {
  const { known, ledger, ownership } = sources;
  const shared = ledger.journal?.shared;
  const heldLanes = new LanesByPartition({
    ...sources,
    ...{ shared, storage: ledger.holds },
    kept: (job) => ownership()?.heldInLane(job),
    partitionOf: (job) => ownership()?.partitionOf(job),
    isUnsettled: async (id) => {
      const stored = await known.stored(id);
      return stored !== undefined && stored.settledAt === undefined;
    },
  });
  return { heldLanes, laneRequests: shared && new LaneRequests({ ...sources, heldLanes, shared }) };
}
