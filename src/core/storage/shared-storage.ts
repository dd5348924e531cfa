import type { StoredOrder } from '../order/stored-order.ts';
import type { Awaitable } from '../runtime/awaitable.ts';
import type { OrderTransaction, TransactionClient } from './order-transaction.ts';
import type { KeptRequest, OwnerRequests } from './requests/owner-requests.ts';

/**
 * A partition of the users, as long as one processor owns it. The storage makes another object each time that the
 * processor gains the partition: what was read for an earlier time is not processed in a later one.
 *
 * @category For authors of storages
 */
export interface OwnedPartition {
  /** Which partition it is, from 0 up. */
  readonly number: number;
}

/**
 * Some unsettled orders of one owned partition.
 *
 * @category For authors of storages
 */
export interface SharedPage {
  /** Whose orders they are; may be left out of a page without orders. */
  readonly partition?: OwnedPartition | undefined;
  /** The orders, in the order in which they are to enter their lanes. */
  readonly orders: readonly StoredOrder[];
  /** The ids of those of its orders that are to be canceled: they do not begin. None by default. */
  readonly toCancel?: readonly string[] | undefined;
  /** Whether the processor now has all that was unsettled, in the partitions that it owned first, when it began. */
  readonly isCaughtUp?: boolean | undefined;
}

/**
 * One of the processors that share a storage.
 *
 * @category For authors of storages
 */
export interface ClusterProcessor {
  /** Its name, for people: two may have one. */
  readonly name: string;
  /** Whether it is this one. */
  readonly isSelf: boolean;
  /** Since when it is one of them, in Unix milliseconds by the storage's clock: it joins again after an interruption. */
  readonly joinedAt: number;
  /** How old its last sign of life was when this was read, in milliseconds. */
  readonly beatAgeMs: number;
  /** How many partitions it owned when this was read. */
  readonly partitions: number;
}

/**
 * What a shared storage knows of all processors: read from time to time, and not when it is asked for.
 *
 * @category Events and numbers
 */
export interface ClusterStats {
  /** How long ago it was read, in milliseconds. Grows while the storage cannot be read. */
  readonly ageMs: number;
  /** Whether this processor is one of the others now: not while it is interrupted. */
  readonly isMember: boolean;
  /** All processors, this one included, in the order in which they joined. */
  readonly processors: readonly ClusterProcessor[];
  /** Into how many partitions the users are divided. */
  readonly partitions: number;
  /** How many of them this processor owned. */
  readonly ownedPartitions: number;
  /** How many no processor owned: their orders wait. */
  readonly freePartitions: number;
  /**
   * How many orders of all processors were unsettled, without those whose `notBefore` had not come; above 100 000 it may be
   * an estimate.
   */
  readonly backlog: number;
  /**
   * For how long the oldest of them could have been processed, in milliseconds by the storage's clock, since the storage
   * kept it or its `notBefore` came; 0 if there was none.
   */
  readonly oldestWaitMs: number;
}

/**
 * What a shared storage says to its processor. No function throws, waits for room or calls the storage in its call.
 *
 * @category For authors of storages
 */
export interface SharedStorageListener {
  /** The processor owns the partition from now on. Comes before the first page of it. */
  gained(partition: OwnedPartition): void;
  /**
   * The partition is to be handed over. Nothing of it begins any more, what waits is forgotten, what has begun is
   * settled.
   *
   * @returns resolves when nothing of it runs and all of that is settled, or the partition is lost; never rejects
   */
  released(partition: OwnedPartition): Promise<void>;
  /** The partition is another processor's, or no processor's: what runs is aborted, and all of it is forgotten. */
  lost(partition: OwnedPartition): void;
  /** An order is settled that is awaited here. */
  settled(order: StoredOrder): void;
  /** The owner is to cancel an order; nothing happens if it is decided, also if it holds its lane. */
  cancel(id: string): void;
  /** The owner of a partition is asked to do something. */
  asked(request: KeptRequest, partition: OwnedPartition): void;
  /** A request of this processor is answered. */
  answered(id: string, answer: string): void;
  /** Another processor may have settled orders. */
  applied(): void;
}

/**
 * What a storage offers that several processors share, each with a storage object of its own. Every user belongs to
 * one partition, and at most one processor owns a partition.
 *
 * 1. Each processor calls `join` once, before anything else. From then on the storage calls the listener, in the order
 *    of the events. It waits for nothing but the result of `released`.
 * 2. `accept` answers `kept` and never `accepted`: the order comes by `orders` where its partition is owned. A `known`
 *    order may be unsettled, in any processor.
 * 3. `orders` gives the unsettled orders of the owned partitions, for as long as the processor reads: each order once
 *    for each `OwnedPartition`, orders of one user in the order of their acceptance. That is one order for all
 *    processors: an order whose `accept` was answered before another one's was called comes before that one. The next
 *    page is asked for when there is room for its orders. A page comes after the `gained` of its partition. Orders of
 *    a partition that is released or lost are ignored. Where `orders` throws, the processor calls it again: it then
 *    gives all unsettled orders of the owned partitions once more, with another mark `isCaughtUp`.
 * 4. `settle` answers `lost` for each settlement of the call if the processor does not own the partitions of all its
 *    orders, whatever it believes; then nothing has changed (the fence). All partitions of the call count as lost: one
 *    that the processor still owns it gains anew, as another object. An order that a lost partition's owner has not
 *    settled comes at the next owner.
 * 5. `settled` is called for each order that is awaited here when it is settled: one whose `accept` was answered
 *    `kept` or `known` and that was not handed over with `isAwaited: false`, and one that was given to `watch`. It may
 *    come before that answer. It need not come for orders that this processor has settled by itself.
 * 6. An event that the storage may have missed is made up for: it asks again what became of awaited orders.
 * 7. `watch` answers the orders that have the ids, as `find` does; the unsettled ones are awaited from then on. A
 *    settlement is either in that answer or comes as an event.
 * 8. `cancel` keeps the request until the order is settled. An owner that was given the order before is called with it
 *    when it has asked for more. Any other owner gets it with the order: the page names the order in `toCancel`.
 * 9. `attempt` of an order is 1, and one more for each time that its partition was lost since its acceptance, or since
 *    it was due, and not released: only then some of its steps may have been run.
 * 10. After `released` has resolved, or `lost` was called, another processor may own the partition. A processor that
 *    does not end in time loses it.
 * 11. `leave` is called when the processor begins to shut down. Where there are other processors, its partitions are
 *    released and no further one is gained. The processor calls `close` when nothing is left that it could process.
 * 12. `cluster`, where there is one, answers at once with what was read of all processors not long ago. `isMember` is of
 *    now: while it is `false` the processor counts as one whose storage fails.
 * 13. It keeps requests to owners as {@link OwnerRequests} says.
 * 14. An order that is accepted before its `notBefore` comes when that time has come, by the storage's clock, or when it
 *    is to be canceled. Until then it is in no processor's memory for that, and holds back no other order. Orders that
 *    become due while their partition is owned come by `notBefore` and then by `sequence`. The processor lets no order
 *    wait that has come, whatever its own clock says.
 * 15. `follow` says whether a reader of all settled orders waits here, at first not. While one does, `applied` is called
 *    soon after settlements of other processors, once for several; one that was missed is made up for in time. It is
 *    called once more than needed rather than not. It need not be called for settlements of this processor.
 * 16. `mayBegin`, where there is one, is asked before each attempt at a step or its compensation, since what those do
 *    elsewhere is not fenced: a process that was stopped by its machine, and goes on, may come to a step before it
 *    hears of anything. The storage answers `false` if it cannot be sure that no other processor owns a partition by now.
 *    Before that answer it has called `lost` for all of them, maybe in that call. A compensation of an order that is
 *    settled already goes on: no other processor would run it.
 * 17. `clockAheadMs`, where there is one, says what time it is by the storage's clock. The processor goes by that time for
 *    `acceptedAt`, `startedAt` and `settledAt`, and for what is due or has expired, so the clocks of processors may
 *    differ. Without it the processor goes by the clock of its machine.
 *
 * @category For authors of storages
 */
export interface SharedOrders extends OwnerRequests {
  /** What its processor is called; see {@link ClusterProcessor.name}. None by default. */
  readonly name?: string | undefined;
  /**
   * By how many milliseconds the storage's clock is ahead of `Date.now()`, as well as the storage knows it; below 0 if it is
   * behind. Read very often, so it answers at once. It is there before the processor is made, or never.
   */
  readonly clockAheadMs?: number | undefined;
  /** Begins: gives the storage the processor's listener. */
  join(listener: SharedStorageListener): void;
  /** The unsettled orders of the owned partitions, in pages; a page may be empty. Goes on until `close`. */
  orders(): AsyncIterable<SharedPage>;
  /**
   * Subscribes to the settlement of orders.
   *
   * @param ids - one or more
   * @returns for each id its order; `undefined` for an unknown one
   */
  watch(ids: readonly string[]): Awaitable<readonly (StoredOrder | undefined)[]>;
  /**
   * Asks the order's owner to cancel it.
   *
   * @param id - an unsettled order's; nothing happens for any other
   */
  cancel(id: string): Awaitable<void>;
  /**
   * Begins or ends to follow what is settled.
   *
   * @param isFollowing - whether a reader waits
   */
  follow(isFollowing: boolean): void;
  /**
   * Whether a step of an order may begin. Called for each attempt, so it answers at once, from memory; without it a step
   * may always begin.
   */
  mayBegin?(): boolean;
  /** The processor shuts down. */
  leave(): void;
  /**
   * What the storage knows of all processors, for `stats()` and metrics. Called each time they are read, so it answers at
   * once; `undefined` if it has not read it yet.
   */
  cluster?(): ClusterStats | undefined;
}

/**
 * The part of an {@link OrderStorage} that only a storage has that several processors share. It may keep orders in
 * transactions of the host's own:
 *
 * 1. When the transaction commits, its orders come by {@link SharedOrders.orders} as any others. The acceptance of each
 *    counts from the call of `accept` to the commit: it comes before an order that is handed in after that, and after
 *    one whose acceptance was answered before the call.
 * 2. If the transaction does not commit, nothing of its orders is left; nor of those that a savepoint takes back.
 * 3. No processor awaits them, unless it watches them after the commit.
 * 4. Until the transaction ends, other calls with the id of one of its orders may wait for it, and must end all the same.
 *
 * @category For authors of storages
 */
export interface SharedStorage {
  /** How its processor shares it with others; of no other storage. */
  readonly shared?: SharedOrders | undefined;
  /**
   * Keeps orders in a transaction of the host's. Not every shared storage can.
   *
   * @param client - the host's connection, as the storage knows it
   * @throws TypeError for a connection that it cannot use
   */
  transaction?(client: TransactionClient): OrderTransaction;
}
