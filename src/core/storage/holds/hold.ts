import type { OrderCause } from '../../order/step-result.ts';
import type { Awaitable } from '../../runtime/awaitable.ts';
import type { FencedWrite } from '../requests/fenced-write.ts';
import type { HeldFailure } from './held-failure.ts';

/**
 * A user's lane is held: none of the user's orders begins before it is released.
 *
 * @category Lanes
 */
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
  /**
   * The cause of its error, if there is one: what a step threw that has no code of its own, for example. Over the
   * network operators alone see it, as they do holds.
   */
  readonly cause?: OrderCause | undefined;
  /** The names of the steps of that order that were compensated; absent if none was. */
  readonly compensated?: readonly string[] | undefined;
}

/**
 * A hold as a storage keeps it; the cause is kept with the `failure`.
 *
 * @category For authors of storages
 */
export interface StoredHold extends Omit<Hold, 'cause'> {
  /** Of the failed order that holds the lane, if one does: what a `release` settles that skips it. */
  readonly failure?: HeldFailure | undefined;
}

/**
 * An order that held its lane and is tried again.
 *
 * @category For authors of storages
 */
export interface RetriedOrder {
  /** The order's id. */
  readonly orderId: string;
  /** See {@link StoredOrder.compensations}; to be kept. */
  readonly compensations: Readonly<Record<string, number>>;
}

/**
 * A lane that was held goes on.
 *
 * @category Lanes
 */
export interface ReleasedLane extends Hold {
  /**
   * What became of the failed order that held it: it is tried again, or was settled as failed. `undefined` for a lane
   * that no order held.
   */
  readonly action: 'retry' | 'skip' | undefined;
  /** Since when, in Unix milliseconds. */
  readonly releasedAt: number;
}

/**
 * Which holds a storage is to list.
 *
 * @category For authors of storages
 */
export interface StoredHoldQuery {
  /** Only those behind the hold of this user, in the storage's own order of users. From the first on by default. */
  readonly after?: string | undefined;
  /** How many at most, from 1 up. */
  readonly limit: number;
}

/**
 * Where holds are kept, as durable as orders are.
 *
 * 1. `hold` keeps one hold for each user, with its `failure`: a later one of the same user replaces it.
 * 2. `release` ends the hold of a user. Where there is none it changes nothing. With an order that is tried again, it
 *    also forgets the order's `decided` and keeps its `compensations`, in the same transaction, if the order is
 *    unsettled. A later note of `decided` leaves `compensations` as they are.
 * 3. `holds` gives the holds in an order of their users that is the storage's own and never changes, at most
 *    `limit`. A page that has fewer is the last one.
 * 4. A hold changes nothing for orders: the storage accepts and settles those of a held user as all others. It is
 *    the processor that begins none.
 * 5. When `hold` or `release` has answered, that is as durable as an accepted order. A call that throws or rejects
 *    may have done its work, and may come again. Where several processors share the storage, `hold` and `release` answer
 *    `'lost'` and change nothing if the processor does not own the user's partition.
 * 6. A settlement with `endsHold` ends the hold whose `orderId` is its order's, in its own transaction, and no other hold. A
 *    lane that is held by hand as well, so that its hold has a `reason`, stays held: the hold is then without the order,
 *    its `code`, `message`, `compensated` and `failure`.
 *
 * @category For authors of storages
 */
export interface HoldStorage {
  /**
   * Keeps a hold.
   *
   * @param hold - replaces the user's
   */
  hold(hold: StoredHold): FencedWrite;
  /**
   * Ends the hold of a user.
   *
   * @param userId - whose
   * @param retried - the failed order that held the lane, if it is tried again
   */
  release(userId: string, retried?: RetriedOrder): FencedWrite;
  /**
   * One page of holds. Where the storage `isVolatile`, it answers at once, and never with a promise.
   *
   * @param query - which
   */
  holds(query: StoredHoldQuery): Awaitable<readonly StoredHold[]>;
}
