import type { StoredOrder } from '../../order/stored-order.ts';
import type { Awaitable } from '../../runtime/awaitable.ts';

/**
 * One change of a user's balance: an order of the user that completed, or a posting of another user's order.
 *
 * @category Statements and lists
 */
export interface Movement {
  /** The id of the order that made it. */
  readonly orderId: string;
  /** Whose balance changed. */
  readonly userId: string;
  /** What was added, in minor units; 0 for an order that completed with an amount of 0. */
  readonly amount: number;
  /** The user's balance right after it, in minor units. */
  readonly balance: number;
  /** When the order was settled, in Unix milliseconds. */
  readonly settledAt: number;
  /** See {@link StoredOrder.settlement}. */
  readonly sequence: number;
}

/**
 * Which settlements a storage is to give.
 *
 * @category For authors of storages
 */
export interface SettledQuery {
  /** Only those with a greater {@link StoredOrder.settlement}; 0 for all. */
  readonly after: number;
  /** How many at most, from 1 up. */
  readonly limit: number;
}

/**
 * One page of settled orders.
 *
 * @category For authors of storages
 */
export interface SettledPage {
  /** The orders, the one with the least {@link StoredOrder.settlement} first. */
  readonly orders: readonly StoredOrder[];
  /** The last settlement that the page looked at: where the next page begins, to be given as `after`. */
  readonly next: number;
  /** The last settlement of all; less than `after` only if that is not of this storage. */
  readonly last: number;
  /** Settlements up to this one may be missing, because they were forgotten or pruned; 0 if none is. */
  readonly forgotten: number;
}

/**
 * Which movements a storage is to give.
 *
 * @category For authors of storages
 */
export interface StoredMovementQuery {
  /** Whose. */
  readonly userId: string;
  /** Only those with a greater {@link Movement.sequence}; 0 for all. */
  readonly after: number;
  /** Settled at this time or later, in Unix milliseconds; see rule 17. */
  readonly from?: number | undefined;
  /** Settled before this time, in Unix milliseconds; see rule 17. */
  readonly before?: number | undefined;
  /** How many at most, from 1 up. */
  readonly limit: number;
}

/**
 * One page of movements.
 *
 * @category For authors of storages
 */
export interface StoredMovementPage {
  /** The movements, the one with the least {@link Movement.sequence} first. */
  readonly movements: readonly Movement[];
  /** Where the next page begins, to be given as `after`; `undefined` if there are no more now. */
  readonly next: number | undefined;
  /** Movements up to this settlement may be missing, because they were forgotten or pruned; 0 if none is. */
  readonly forgotten: number;
}

/**
 * What a balance was at a time.
 *
 * @category For authors of storages
 */
export interface PastBalance {
  /** In minor units; `undefined` if the user had none then, or if it is not known. */
  readonly balance: number | undefined;
  /** Whether that can no longer be known: movements of that time were forgotten or pruned. */
  readonly isForgotten: boolean;
}

/**
 * Which balances a storage is to list.
 *
 * @category For authors of storages
 */
export interface StoredBalanceQuery {
  /** Only those behind the balance of this user, in the storage's own order of users. From the first on by default. */
  readonly after?: string | undefined;
  /** How many at most, from 1 up. */
  readonly limit: number;
}

/**
 * One user's balance, as a storage lists it.
 *
 * @category For authors of storages
 */
export interface StoredBalance {
  /** Whose. */
  readonly userId: string;
  /** In minor units. */
  readonly balance: number;
  /**
   * Where movements of the user may have been forgotten or pruned: from what time on, in Unix milliseconds, `balanceAt`
   * knows the balance all the same. `undefined` if the storage has all movements of the user.
   */
  readonly knownFrom: number | undefined;
}

/**
 * What was settled, in the order in which it was applied. Part of {@link OrderStorage}, whose rules these continue.
 *
 * 14. Each recorded settlement has a number, its order's `settlement`: greater than that of each settlement before it,
 *    in the order of the calls of `settle` and `apply` and of the settlements in a call. No number is given again.
 *    Provisional settlements, and compensable ones that are refused, have none.
 * 15. `settled` gives settled orders by that number, from the least to the greatest. It may end a page early, even
 *    without an order; `next` says where to go on. It sees all calls that were answered before.
 * 16. `movements` gives each change of a user's balance once, in the order applied: the user's completed orders and the
 *    postings to the user. The balance of each is that of the one before it and its amount.
 * 17. Times are those at which the storage had settled everything up to a movement: the greatest `settledAt` of all
 *    settlements up to it, or of those alone that changed the user's balance. So a user's times never go back in the
 *    order applied, even if a machine's clock does.
 *    `balanceAt` answers the balance after the user's last movement up to the time, and what pruned movements left.
 * 18. `balances`, where there is one, gives the balance of each user who has one, in an order of the users that is the
 *    storage's own and never changes, at most `limit`. A page that has fewer is the last one. Only a storage with it can
 *    be moved to another one.
 *
 * @category For authors of storages
 */
export interface HistoryStorage {
  /** Identifies what the storage keeps: the same at each opening of it, and another for any other storage. */
  readonly id: string;
  /**
   * One page of settled orders.
   *
   * @param query - which
   */
  settled(query: SettledQuery): Awaitable<SettledPage>;
  /**
   * One page of a user's movements.
   *
   * @param query - which
   */
  movements(query: StoredMovementQuery): Awaitable<StoredMovementPage>;
  /**
   * What a user's balance was.
   *
   * @param userId - any order's `userId`
   * @param time - in Unix milliseconds
   */
  balanceAt(userId: string, time: number): Awaitable<PastBalance>;
  /**
   * One page of balances.
   *
   * @param query - which
   */
  balances?(query: StoredBalanceQuery): Awaitable<readonly StoredBalance[]>;
}
