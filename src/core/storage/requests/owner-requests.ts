import type { Awaitable } from '../../runtime/awaitable.ts';
import type { StoredHold, StoredHoldQuery } from '../holds/hold.ts';
import type { FencedWrite } from './fenced-write.ts';

/**
 * What the owner of a user's partition is asked to do.
 *
 * @category For authors of storages
 */
export interface OwnerRequest {
  /** Identifies it among all requests of all processors: at most 64 characters. */
  readonly id: string;
  /** Whose partition the owner has. */
  readonly userId: string;
  /** What to do, as JSON. The storage does not look at it. */
  readonly request: string;
}

/**
 * A request as an owner is called with it.
 *
 * @category For authors of storages
 */
export interface KeptRequest extends OwnerRequest {
  /** Whether an owner has called `begin` for it: that owner may have done it. */
  readonly isBegun: boolean;
}

/**
 * Requests to the owners of partitions, from any processor, and what an owner needs to know of holds.
 *
 * 1. `request` keeps a request, as durably as an order. Each owner of the user's partition is called with it (`asked`),
 *    once for each `OwnedPartition`, after `gained`, until it is answered. Of one user, a request whose call was
 *    answered before another one's was made comes before that one.
 * 2. `begin` notes that a request is about to be done. Later owners are called with `isBegun`.
 * 3. `answer` keeps the answer, and ends the request. Of one that is answered already, or is not there, nothing changes.
 * 4. The processor that made the request is called with its answer (`answered`), at least once. It may come before the
 *    answer of `request`. A request that was answered may be forgotten after an hour.
 * 5. `begin` and `answer` are fenced: they answer `'lost'` unless the processor owns the user's partition. The same
 *    holds for `hold`, `release` and `amend` of such a storage.
 * 6. `holdsOf` gives the holds of the users of a partition as `holds` does, and `holdOf` gives one user's hold. Both see
 *    all that was written before, by any processor. After `gained`, no call of an earlier owner changes a hold.
 *
 * @category For authors of storages
 */
export interface OwnerRequests {
  /**
   * Asks the owner of a user's partition to do something. This processor may be the owner itself.
   *
   * @param request - another one each time
   */
  request(request: OwnerRequest): Awaitable<void>;
  /**
   * Notes that a request is about to be done.
   *
   * @param request - one that the listener was called with
   */
  begin(request: OwnerRequest): FencedWrite;
  /**
   * Ends a request.
   *
   * @param request - one that the listener was called with
   * @param answer - what came of it, as JSON
   */
  answer(request: OwnerRequest, answer: string): FencedWrite;
  /**
   * One page of the holds of a partition.
   *
   * @param partition - its number
   * @param query - where the page begins, and how many holds it may have
   */
  holdsOf(partition: number, query: StoredHoldQuery): Awaitable<readonly StoredHold[]>;
  /**
   * The hold of a user.
   *
   * @param userId - whose
   */
  holdOf(userId: string): Awaitable<StoredHold | undefined>;
}
