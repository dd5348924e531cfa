import type { StepScope } from '../runtime/step-scope.ts';
import { KeyedQueue } from './keyed-queue.ts';
import type { Lane, QueueEntry } from './lane.ts';

/** How many callers are admitted in a row; then the host's timers and sockets have a turn. */
const mostInARow = 256;

// Before a test replaces it by a fake one.
const { setImmediate } = globalThis;

/** A caller that waits for room for one order. */
export class Caller implements QueueEntry {
  prev: QueueEntry | undefined = undefined;
  next: QueueEntry | undefined = undefined;
  lane: Lane | undefined = undefined;
  readonly userId: string;
  readonly rank: number;
  readonly #stepNow: (() => StepScope | undefined) | undefined;
  /** Called when there is room; accepts the order in the same call. */
  readonly admit: () => void;

  /** @param stepNow - returns the running step in which the order was handed in; there is none between two attempts */
  constructor(
    { userId, rank }: Pick<QueueEntry, 'userId' | 'rank'>,
    admit: () => void,
    stepNow?: () => StepScope | undefined,
  ) {
    this.userId = userId;
    this.rank = rank;
    this.#stepNow = stepNow;
    this.admit = admit;
  }

  get step(): StepScope | undefined {
    return this.#stepNow?.();
  }
}

/** How much room there is; read anew each time. */
export interface Room {
  /** Whether one more order may be accepted. */
  has(): boolean;
  /** Whether one more order of this user may be accepted. */
  hasFor(userId: string): boolean;
}

/**
 * Callers that wait for room, in the order in which the keyed queue would give their orders: a user's callers one after
 * the other, users in turn, urgent ones first, and low ones within the same bound (invariant 7). Callers of a user at
 * its bound are passed over, so they keep no other user's waiting.
 */
export class WaitingLine {
  readonly #room: Room;
  // A turn is one caller: a lane goes to the end of its ring when one of its callers was admitted.
  readonly #callers = new KeyedQueue<Caller>({ exclusive: true });
  /** Callers that go on waiting while `admitAll` admits the others; they are in no lane meanwhile. */
  readonly #kept = new Set<Caller>();
  #isAdmitting = false;

  constructor(room: Room) {
    this.#room = room;
  }

  get size(): number {
    return this.#callers.size + this.#kept.size;
  }

  /** Whether an order of this user may be accepted without waiting. */
  hasRoomFor(userId: string): boolean {
    return (
      !this.#callers.isRunnable &&
      this.#callers.countOf(userId) === 0 &&
      this.#room.has() &&
      this.#room.hasFor(userId)
    );
  }

  add(caller: Caller): void {
    this.#callers.push(caller);
    this.admit(caller.userId);
  }

  /** Removes a caller; false if its turn has come already. */
  remove(caller: Caller): boolean {
    if (this.#kept.delete(caller)) return true;
    if (!this.#callers.remove(caller)) return false;
    this.#updatePause(caller.userId);
    this.admit(caller.userId);
    return true;
  }

  /** Admits callers while there is room; there may be new room for this user. */
  admit(userId: string): void {
    if (this.size === 0) return;
    this.#updatePause(userId);
    // An order may be settled as soon as it is admitted, and make room: this loop uses it, and not a deeper call.
    if (!this.#isAdmitting) this.#admit();
  }

  #admit(): void {
    this.#isAdmitting = true;
    let count = 0;
    while (count < mostInARow && this.#room.has() && this.#admitNext()) count += 1;
    // These callers needed no room: their orders had been canceled or were known.
    if (count === mostInARow) setImmediate(() => this.#admit());
    else this.#isAdmitting = false;
  }

  /**
   * Admits every caller except some, even without room; resolves when no other waits.
   *
   * @param pause - gives a promise if the event loop should turn first
   * @param isKept - which callers go on waiting
   */
  async admitAll(
    pause: () => Promise<void> | undefined,
    isKept: (caller: Caller) => boolean = () => false,
  ): Promise<void> {
    this.#callers.resumeAll();
    while (this.#admitNext((caller) => isKept(caller) && this.#kept.add(caller) !== undefined)) {
      const paused = pause();
      if (paused !== undefined) await paused;
      // An order may have been settled meanwhile, and its user paused.
      this.#callers.resumeAll();
    }
    for (const caller of this.#kept) {
      this.#kept.delete(caller);
      // Its step may have ended meanwhile.
      if (isKept(caller)) this.add(caller);
      else caller.admit();
    }
  }

  /** @param isKept - which callers go on waiting, and are removed here */
  #admitNext(isKept?: (caller: Caller) => boolean): boolean {
    const caller = this.#callers.take();
    if (caller === undefined) return false;
    if (isKept?.(caller) !== true) caller.admit();
    this.#callers.release(caller);
    // Its order may have been known already, and then the user still has the room.
    this.#updatePause(caller.userId);
    return true;
  }

  /** Passes over a user's callers while the user has no room. */
  #updatePause(userId: string): void {
    const mayWait = this.#callers.countOf(userId) > 0 && !this.#room.hasFor(userId);
    if (mayWait) this.#callers.pause(userId);
    else if (this.#callers.hasStops) this.#callers.resume(userId);
  }
}
