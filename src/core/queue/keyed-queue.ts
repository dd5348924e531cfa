import { type Lane, nextRing, type QueueEntry, Ring, stops } from './lane.ts';
import { LaneClaims } from './lane-claims.ts';
import { Lanes } from './lanes.ts';

/** How many orders are taken from one lane at most before the next lane of its rank has a turn. */
export const burst = 16;

/**
 * Accepted orders: FIFO per user, fair across users. A plain data structure without promises or
 * clocks; every operation takes constant time, with any number of waiting entries.
 *
 * - **Serial.** An `exclusive` queue gives no further entry of a lane until the taken one is released. Otherwise a lane
 *   gives its entries in order, and the taker keeps the order.
 * - **Fair.** Lanes of one rank take turns; a turn is one entry of an exclusive queue, else up to
 *   `burst`. So with k other lanes of its rank, a lane waits for at most `burst · k` takes of them.
 * - **Urgent first, low within a bound.** The most urgent rank goes first, but among 5 takes in a row
 *   (6 where low has its turn) one is medium if medium lanes wait, and among 17 one is low.
 * - **Idle costs nothing.** A lane is dropped when it has no waiting and no taken entry.
 */
export class KeyedQueue<T extends QueueEntry> {
  readonly #exclusive: boolean;
  readonly #lanes = new Lanes();
  readonly #rings = [new Ring(), new Ring(), new Ring()] as const;
  /** By user: the bits of `stops`. */
  readonly #stopped = new Map<string, number>();
  readonly #claims = new LaneClaims();
  #size = 0;
  #heldSize = 0;

  constructor({ exclusive }: { exclusive: boolean }) {
    this.#exclusive = exclusive;
  }

  /** How many entries wait. */
  get size(): number {
    return this.#size;
  }

  /** How many of them wait in lanes that are held. */
  get heldSize(): number {
    return this.#heldSize;
  }

  /** The users who are held. */
  get heldUsers(): string[] {
    return [...this.#stopped.keys()].filter((userId) => this.isHeld(userId));
  }

  /** How many users have entries waiting or taken. */
  get users(): number {
    return this.#lanes.size;
  }

  /** Whether `take` would give something. */
  get isRunnable(): boolean {
    const [high, medium, low] = this.#rings;
    return high.head !== undefined || medium.head !== undefined || low.head !== undefined;
  }

  /** Whether any user is paused or held. */
  get hasStops(): boolean {
    return this.#stopped.size > 0;
  }

  /** Whether a user is paused or held, or has used up its rate. */
  isStopped(userId: string): boolean {
    return this.#stopped.size > 0 && this.#stopped.has(userId);
  }

  /** Whether a user is held. */
  isHeld(userId: string): boolean {
    return this.#stopped.size > 0 && ((this.#stopped.get(userId) ?? 0) & stops.held) !== 0;
  }

  /** How many entries of a user are waiting or taken. */
  countOf(userId: string): number {
    const lane = this.#lanes.get(userId);
    return lane === undefined ? 0 : lane.waiting + lane.taken - (lane.isClaimed ? 1 : 0);
  }

  /** The entries that wait, each user's in their order; only one user's if it is given. */
  waiting(userId?: string): T[] {
    const lanes = userId === undefined ? this.#lanes.all() : [this.#lanes.get(userId)];
    return lanes.flatMap((lane) => (lane === undefined ? [] : (lane.all() as T[])));
  }

  /** The entries of a user that wait, the next one first, at most so many. */
  first(userId: string, most: number): T[] {
    const entries: T[] = [];
    let entry = this.#lanes.get(userId)?.head;
    for (; entry !== undefined && entries.length < most; entry = entry.next) {
      entries.push(entry as T);
    }
    return entries;
  }

  push(entry: T): void {
    const lane = this.#laneOf(entry.userId);
    entry.lane = lane;
    lane.push(entry);
    this.#count(lane, entry, 1);
    this.#place(lane);
  }

  /** The next entry whose turn it is; the taker must release it. */
  take(): T | undefined {
    const ring = nextRing(this.#rings);
    const lane = ring?.head;
    if (lane === undefined) return undefined;
    const entry = lane.head as T;
    this.#unlink(lane, entry);
    lane.taken += 1;
    lane.streak += 1;
    if (lane.streak >= burst) {
      // Removed and, if it stays runnable, added again at the end.
      this.#leaveRing(lane);
    }
    this.#place(lane);
    return entry;
  }

  /** An entry that was taken has ended. */
  release(entry: T): void {
    const lane = entry.lane;
    if (lane === undefined) return;
    entry.lane = undefined;
    this.#leave(lane);
  }

  /** An entry that was taken waits again, before all others of its lane. */
  putBack(entry: T): void {
    const lane = entry.lane as Lane;
    lane.unshift(entry);
    this.#count(lane, entry, 1);
    this.#leave(lane);
  }

  /**
   * Takes the lane of a user for something that is no entry, stopped or not, when no entry of it is taken. It waits for no
   * other entry; `unclaim` ends that. For an exclusive queue.
   *
   * @param begin - called when the lane is taken, perhaps in this call
   * @returns gives the claim up that has not been taken
   */
  claim(userId: string, begin: () => void): () => void {
    const lane = this.#laneOf(userId);
    if (lane.taken === 0) {
      lane.taken += 1;
      lane.isClaimed = true;
      this.#place(lane);
      begin();
      return () => {};
    }
    return this.#claims.add(userId, begin);
  }

  /** What has taken the lane of a user by `claim` has ended. */
  unclaim(userId: string): void {
    const lane = this.#lanes.get(userId) as Lane;
    lane.isClaimed = false;
    this.#leave(lane);
  }

  /** One that has taken a lane leaves it: to a claim, if there is one. */
  #leave(lane: Lane): void {
    lane.taken -= 1;
    const begin = lane.taken === 0 ? this.#claims.take(lane.userId) : undefined;
    if (begin !== undefined) {
      lane.taken += 1;
      lane.isClaimed = true;
    }
    if (lane.waiting === 0 && lane.taken === 0) this.#lanes.drop(lane);
    else this.#place(lane);
    begin?.();
  }

  /** Removes a waiting entry; false if it does not wait here. */
  remove(entry: T): boolean {
    const lane = entry.lane;
    if (lane === undefined || this.#lanes.get(entry.userId) !== lane) return false;
    if (entry.prev === undefined && lane.head !== entry) return false;
    this.#unlink(lane, entry);
    entry.lane = undefined;
    this.#place(lane);
    if (lane.waiting === 0 && lane.taken === 0) this.#lanes.drop(lane);
    return true;
  }

  /** No entry of this user is taken until `resume`. */
  pause(userId: string): void {
    this.#stop(userId, stops.paused);
  }

  resume(userId: string): void {
    this.#go(userId, stops.paused);
  }

  /** Ends all pauses, and no hold. */
  resumeAll(): void {
    for (const userId of [...this.#stopped.keys()]) this.resume(userId);
  }

  /** Nothing more is taken of this user until `unhold`, whatever is paused or resumed. */
  hold(userId: string): void {
    if (this.isHeld(userId)) return;
    this.#heldSize += this.#lanes.get(userId)?.waiting ?? 0;
    this.#stop(userId, stops.held);
  }

  unhold(userId: string): void {
    if (!this.isHeld(userId)) return;
    this.#heldSize -= this.#lanes.get(userId)?.waiting ?? 0;
    this.#go(userId, stops.held);
  }

  /** Nothing more is taken of this user until `unlimit`: the user has used up its rate. */
  limit(userId: string): void {
    this.#stop(userId, stops.limited);
  }

  unlimit(userId: string): void {
    this.#go(userId, stops.limited);
  }

  #stop(userId: string, stop: number): void {
    this.#setStops(userId, (this.#stopped.get(userId) ?? 0) | stop);
  }

  #go(userId: string, stop: number): void {
    this.#setStops(userId, (this.#stopped.get(userId) ?? 0) & ~stop);
  }

  #setStops(userId: string, bits: number): void {
    if (bits === 0) this.#stopped.delete(userId);
    else this.#stopped.set(userId, bits);
    const lane = this.#lanes.get(userId);
    if (lane === undefined) return;
    lane.stops = bits;
    this.#place(lane);
  }

  #laneOf(userId: string): Lane {
    let lane = this.#lanes.get(userId);
    if (lane === undefined) {
      lane = this.#lanes.add(userId);
      if (this.#stopped.size > 0) lane.stops = this.#stopped.get(userId) ?? 0;
    }
    return lane;
  }

  #unlink(lane: Lane, entry: T): void {
    lane.remove(entry);
    this.#count(lane, entry, -1);
  }

  #count(lane: Lane, entry: T, by: 1 | -1): void {
    lane.count(entry, by);
    this.#size += by;
    if ((lane.stops & stops.held) !== 0) this.#heldSize += by;
  }

  /** Moves a lane to the ring of its rank if it is runnable, else to none. */
  #place(lane: Lane): void {
    const isRunnable = lane.waiting > 0 && lane.stops === 0 && !(this.#exclusive && lane.taken > 0);
    const ring = isRunnable ? this.#rings[lane.rank] : undefined;
    if (lane.ring === ring) return;
    if (lane.ring !== undefined) this.#leaveRing(lane);
    if (ring === undefined) return;
    lane.ring = ring;
    lane.streak = 0;
    ring.push(lane);
  }

  #leaveRing(lane: Lane): void {
    const ring = lane.ring as Ring;
    ring.remove(lane);
    lane.ring = undefined;
  }
}
