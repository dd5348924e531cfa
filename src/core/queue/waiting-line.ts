import type { StepScope } from '../runtime/step-scope.ts';
import { KeyedQueue, type Lane, type QueueEntry } from './keyed-queue.ts';

/** So many callers are admitted in a row; then the host's timers and sockets have a turn. */
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
  /** Room has come; the order is the caller's to accept now. */
  readonly admit: () => void;

  /** @param stepNow - gives the running step in which the order was handed in: between two attempts there is none */
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

/** How much room there is; asked anew each time. */
export interface Room {
  /** Whether one more order may be accepted. */
  has(): boolean;
  /** Whether one more of this user may be. */
  hasFor(userId: string): boolean;
}

/**
 * Callers that wait for room, in the order in which the keyed queue would give their orders: a user's callers one after
 * the other, users in turn, urgent ones first, and low ones within the same bound (invariant 7). Callers of a user at
 * its bound are passed over, so they keep no other user's waiting.
 */
export class WaitingLine {
  readonly #room: Room;
  // A turn is one caller: each lane is at the end of its ring when one of it was admitted.
  readonly #callers = new KeyedQueue<Caller>({ exclusive: true });
  /** Those that go on waiting when the others are dismissed; in no lane meanwhile. */
  readonly #kept = new Set<Caller>();
  #isAdvancing = false;

  constructor(room: Room) {
    this.#room = room;
  }

  get size(): number {
    return this.#callers.size + this.#kept.size;
  }

  /** Whether an order of this user may be accepted without waiting. */
  isOpen(userId: string): boolean {
    return (
      !this.#callers.isRunnable &&
      this.#callers.countOf(userId) === 0 &&
      this.#room.has() &&
      this.#room.hasFor(userId)
    );
  }

  join(caller: Caller): void {
    this.#callers.push(caller);
    this.advance(caller.userId);
  }

  /** Takes a caller out; false if its turn has come already. */
  leave(caller: Caller): boolean {
    if (this.#kept.delete(caller)) return true;
    if (!this.#callers.remove(caller)) return false;
    this.#look(caller.userId);
    this.advance(caller.userId);
    return true;
  }

  /** Room may have come, for this user in particular. */
  advance(userId: string): void {
    if (this.size === 0) return;
    this.#look(userId);
    // What is admitted may be settled at once and make room again: that is for this loop, not a deeper one.
    if (!this.#isAdvancing) this.#admit();
  }

  #admit(): void {
    this.#isAdvancing = true;
    let count = 0;
    while (count < mostInARow && this.#room.has() && this.#admitNext()) count += 1;
    // So many took no room: they had been canceled, or their orders were known.
    if (count === mostInARow) setImmediate(() => this.#admit());
    else this.#isAdvancing = false;
  }

  /**
   * The turn of every caller but some, whether there is room or not; resolves when no other waits.
   *
   * @param pause - a promise where the event loop should turn first
   * @param isKept - which callers go on waiting
   */
  async dismiss(
    pause: () => Promise<void> | undefined,
    isKept: (caller: Caller) => boolean = () => false,
  ): Promise<void> {
    this.#callers.resumeAll();
    while (this.#admitNext((caller) => isKept(caller) && this.#kept.add(caller) !== undefined)) {
      const paused = pause();
      if (paused !== undefined) await paused;
      // An order may have been settled meanwhile, and its user looked at.
      this.#callers.resumeAll();
    }
    for (const caller of this.#kept) {
      this.#kept.delete(caller);
      // Its step may have ended meanwhile.
      if (isKept(caller)) this.join(caller);
      else caller.admit();
    }
  }

  /** @param isKept - takes a caller that is not to be admitted */
  #admitNext(isKept?: (caller: Caller) => boolean): boolean {
    const caller = this.#callers.take();
    if (caller === undefined) return false;
    if (isKept?.(caller) !== true) caller.admit();
    this.#callers.release(caller);
    // Its order may have been known already, and then the user still has the room.
    this.#look(caller.userId);
    return true;
  }

  /** Holds a user's callers back while the user has no room. */
  #look(userId: string): void {
    const mayWait = this.#callers.countOf(userId) > 0 && !this.#room.hasFor(userId);
    if (mayWait) this.#callers.pause(userId);
    else if (this.#callers.hasPauses) this.#callers.resume(userId);
  }
}
