import type { StoredOrder } from '../../../core/order/stored-order.ts';
import type { OwnedPartition } from '../../../core/storage/shared-storage.ts';

/** What is known of a user with unsettled orders. */
export interface UserReading {
  readonly id: string;
  /** Its orders that were given and are unsettled. */
  count: number;
  /** The greatest sequence of those that were given. */
  high: number;
  /** So far its orders were read, while it is held back; `undefined` for a user that is not. */
  cursor: number | undefined;
  /** All of its orders were read, further than the pages of the partition have come. */
  isDrained: boolean;
}

/** A user of which further orders are to be read, and how many. */
export interface DueUser {
  readonly reading: PartitionReading;
  readonly user: UserReading;
  readonly most: number;
}

/**
 * How far one owned partition is read.
 *
 * ```text
 * behind ─▶ live    a page was not full: notes alone say from now on what is to be read
 * live ─▶ behind    more was noted than there is room for; reading goes on by pages where it was
 * ```
 *
 * A user with many unsettled orders in memory is held back: its further orders are read by pages of its own, when there
 * are few again, and the pages of the partition pass over them. So it holds back no other user.
 */
export class PartitionReading {
  readonly partition: OwnedPartition;
  isLive = false;
  /** So far pages were read, while it is behind. */
  cursor = 0;
  /** The greatest sequence that was given, or passed by a page. */
  high = 0;
  /** The orders that were given and are unsettled, each with its user. */
  readonly #given = new Map<number, UserReading>();
  readonly #users = new Map<string, UserReading>();
  readonly #heldBack = new Set<UserReading>();
  readonly #bound: number;

  /** @param bound - how many unsettled orders a user may have in memory */
  constructor(partition: OwnedPartition, bound: number) {
    this.partition = partition;
    this.#bound = bound;
  }

  /** How many orders were given and are unsettled. */
  get size(): number {
    return this.#given.size;
  }

  get heldBack(): ReadonlySet<UserReading> {
    return this.#heldBack;
  }

  has(sequence: number): boolean {
    return this.#given.has(sequence);
  }

  /** Notes of orders above this one alone need not be read. */
  get noteCursor(): number {
    if (this.isLive) return Number.MAX_SAFE_INTEGER;
    let most = this.cursor;
    for (const { cursor = 0 } of this.#heldBack) most = Math.max(most, cursor);
    return most;
  }

  /** Whether an order that was noted is to be given: no page will have it. */
  takesNoted(sequence: number, userId: string): boolean {
    const cursor = this.#users.get(userId)?.cursor;
    if (cursor !== undefined) return sequence <= cursor;
    return this.isLive || sequence <= this.cursor;
  }

  /**
   * Whether a delayed order whose time has come is to be given: one that a page will have is not, nor one of a user that
   * has too many. That one is held back, from this order on.
   */
  takesDue(sequence: number, userId: string): boolean {
    if (!this.takesNoted(sequence, userId)) return false;
    const user = this.#users.get(userId);
    if (user === undefined || user.count < this.#bound) return true;
    this.#holdBack(user, sequence - 1);
    return false;
  }

  /** Whether an order of a page of the partition is to be given. */
  takesPaged(sequence: number, userId: string): boolean {
    const user = this.#users.get(userId);
    if (user?.cursor === undefined || sequence <= user.cursor) return true;
    if (user.isDrained) this.#goOn(user);
    return user.cursor === undefined;
  }

  /**
   * Takes an order as given.
   *
   * @param isBounded - whether its user is held back from here on if it has too many
   * @returns whether it is to be given: not twice, and none of a user that has too many
   */
  give({ sequence, userId }: StoredOrder, isBounded = true): boolean {
    if (this.#given.has(sequence)) return false;
    const user = this.#user(userId);
    if (isBounded && user.count >= this.#bound && sequence > user.high) {
      this.#holdBack(user, user.high);
      return false;
    }
    user.count += 1;
    user.high = Math.max(user.high, sequence);
    this.#given.set(sequence, user);
    this.high = Math.max(this.high, sequence);
    return true;
  }

  /** An order is settled. Returns whether its user may have a page now. */
  settled(sequence: number): boolean {
    const user = this.#given.get(sequence);
    this.#given.delete(sequence);
    if (user === undefined) return false;
    user.count -= 1;
    if (user.cursor !== undefined) return this.#isDue(user);
    if (user.count === 0) this.#users.delete(user.id);
    return false;
  }

  /** Users of which further orders are to be read now. */
  dueUsers(): DueUser[] {
    if (this.#heldBack.size === 0) return [];
    const due = [...this.#heldBack].filter((user) => this.#isDue(user));
    return due.map((user) => ({ reading: this, user, most: this.#bound - user.count }));
  }

  /** The orders of a user's page were taken; without more, it is held back no longer. */
  userRead(user: UserReading, cursor: number, hasMore: boolean): void {
    user.cursor = cursor;
    user.isDrained = !hasMore;
    this.#endDrained();
  }

  /** The orders of a page were taken. */
  pageRead(cursor: number, hasMore: boolean): void {
    this.cursor = cursor;
    this.high = Math.max(this.high, cursor);
    this.isLive = !hasMore;
    this.#endDrained();
  }

  /** There is no room for what is noted. */
  fallBehind(): void {
    if (!this.isLive) return;
    this.isLive = false;
    this.cursor = this.high;
  }

  /** All is to be given once more. */
  restart(): void {
    this.isLive = false;
    this.cursor = 0;
    this.#given.clear();
    this.#users.clear();
    this.#heldBack.clear();
  }

  #holdBack(user: UserReading, cursor: number): void {
    user.cursor = cursor;
    user.isDrained = false;
    this.#heldBack.add(user);
  }

  #isDue({ count, isDrained }: UserReading): boolean {
    return !isDrained && count <= this.#bound / 2;
  }

  #user(id: string): UserReading {
    const known = this.#users.get(id);
    if (known !== undefined) return known;
    const user = { id, count: 0, high: 0, cursor: undefined, isDrained: false };
    this.#users.set(id, user);
    return user;
  }

  /** Where the pages of the partition have come as far as those of a user, they have the rest. */
  #endDrained(): void {
    for (const user of this.#heldBack) {
      const isReached = this.isLive || this.cursor >= (user.cursor ?? 0);
      if (user.isDrained && isReached) this.#goOn(user);
    }
  }

  #goOn(user: UserReading): void {
    user.cursor = undefined;
    this.#heldBack.delete(user);
    if (user.count === 0) this.#users.delete(user.id);
  }
}
