import type { StoredHold } from './hold.ts';

/**
 * What a settlement says of the lane of its user.
 *
 * @category For authors of storages
 */
export interface LaneSettlement {
  /** Of a provisional settlement: to be noted in `decided`, see {@link DecidedOutcome.holds}. Absent for most. */
  readonly holds?: boolean | undefined;
  /**
   * Of a settlement that is not provisional: the order has failed before and holds its lane, and its hold ends with it; see
   * rule 6 of {@link HoldStorage}. Absent for most.
   */
  readonly endsHold?: boolean | undefined;
}

/** What is left of a hold when its order is settled: a lane that is held by hand as well stays held. */
export function withoutOrder({ userId, reason, heldAt }: StoredHold): StoredHold | undefined {
  return reason === undefined ? undefined : { userId, reason, heldAt };
}
