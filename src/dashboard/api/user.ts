import type { LaneView } from './attention.ts';
import type { OrderSummary } from './orders.ts';
import type { Amount, Time } from './session.ts';

/** A user now. */
export interface UserView {
  readonly now: Time;
  readonly userId: string;
  /** Absent: no order of the user has completed. */
  readonly balance?: Amount;
  /** Why the lane is held, if it is. */
  readonly hold?: LaneView;
  /** What runs: one order, and those that were decided and whose steps have not ended. */
  readonly running: readonly OrderSummary[];
  /** What waits, the next one first; at most 100. A failed order that holds the lane is the first of them. */
  readonly waiting: readonly OrderSummary[];
  /** Whether more orders wait than `waiting` has. */
  readonly hasMoreWaiting: boolean;
  /** Orders whose `notBefore` has not come, the soonest first; at most 100 of those that were looked at. */
  readonly scheduled: readonly OrderSummary[];
  /** What was settled last, the last accepted first; at most 20. */
  readonly settled: readonly OrderSummary[];
}

/** A user's balance over time: at most 500 points, the oldest first. Each balance holds until the next point. */
export interface BalancesView {
  readonly from: Time;
  readonly to: Time;
  /** Whether each change has a point; else the points are samples at even distances. */
  readonly isExact: boolean;
  /** A point without a balance: the user had none yet, or the storage has forgotten it. */
  readonly points: readonly { readonly at: Time; readonly balance?: Amount }[];
}

/** A user's statement, the last change first. */
export interface StatementPage {
  readonly movements: readonly MovementView[];
  readonly cursor?: string;
  /** Whether the storage has forgotten or pruned what was before the last movement of the last page. */
  readonly isForgotten?: boolean;
}

/** One change of a user's balance. */
export interface MovementView {
  /** Absent where another user's client handed the order in. */
  readonly orderId?: string;
  readonly userId: string;
  readonly amount: Amount;
  /** The balance right after it. */
  readonly balance: Amount;
  readonly settledAt: Time;
  /** Its place among all settlements. */
  readonly sequence: number;
}
