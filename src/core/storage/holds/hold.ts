import type { Awaitable } from '../../runtime/awaitable.ts';

/** A user's lane is held: none of the user's orders begins before it is released. */
export interface Hold {
  /** Whose lane it is. */
  readonly userId: string;
  /**
   * Of a lane that was held by hand: why, as its caller said; empty if nothing was said. `undefined` if a failed
   * order alone holds the lane.
   */
  readonly reason: string | undefined;
  /** Since when, in Unix milliseconds. */
  readonly heldAt: number;
  /** The id of the failed order that holds the lane, if one does. */
  readonly orderId?: string | undefined;
  /** Why that order has failed; see {@link OrderError.code}. */
  readonly code?: string | undefined;
  /** The same for people. */
  readonly message?: string | undefined;
}

/** A lane that was held goes on. */
export interface ReleasedLane extends Hold {
  /** Since when, in Unix milliseconds. */
  readonly releasedAt: number;
}

/** Which holds a storage is to list. */
export interface StoredHoldQuery {
  /** Only those behind the hold of this user, in the storage's own order of users. From the first on by default. */
  readonly after?: string | undefined;
  /** How many at most, from 1 up. */
  readonly limit: number;
}

/**
 * Where holds are kept, as durable as orders are.
 *
 * 1. `hold` keeps one hold for each user: a later one of the same user replaces it.
 * 2. `release` ends the hold of a user. Where there is none it changes nothing.
 * 3. `holds` gives the holds in an order of their users that is the storage's own and never changes, at most
 *    `limit`. A page that has fewer is the last one.
 * 4. A hold changes nothing for orders: the storage accepts and settles those of a held user as all others. It is
 *    the processor that begins none.
 * 5. When `hold` or `release` has answered, that is as durable as an accepted order. A call that throws or rejects
 *    may have done its work, and may come again.
 */
export interface HoldStorage {
  /**
   * Keeps a hold.
   *
   * @param hold - replaces the user's
   */
  hold(hold: Hold): Awaitable<void>;
  /**
   * Ends the hold of a user.
   *
   * @param userId - whose
   */
  release(userId: string): Awaitable<void>;
  /**
   * One page of holds. Where the storage `isVolatile`, it answers at once, and never with a promise.
   *
   * @param query - which
   */
  holds(query: StoredHoldQuery): Awaitable<readonly Hold[]>;
}
