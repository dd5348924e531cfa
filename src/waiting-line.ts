import type { Job } from './job.ts';
import { type Linked, LinkedList } from './linked-list.ts';

/** Somebody who waits for room for one order. */
export class Caller implements Linked<Caller> {
  prev: Caller | undefined = undefined;
  next: Caller | undefined = undefined;
  /** The list in which the caller stands. */
  line: LinkedList<Caller> | undefined = undefined;
  readonly job: Job;
  /** Room has come; the order is the caller's to accept now. */
  readonly admit: () => void;

  constructor(job: Job, admit: () => void) {
    this.job = job;
    this.admit = admit;
  }
}

/** How much room there is; asked anew each time. */
export interface Room {
  /** Whether one more order may be accepted. */
  has(): boolean;
  /** Whether one more of this user may be, with so many more already promised to the user. */
  hasFor(userId: string, promised: number): boolean;
}

/**
 * Callers that wait for room, first come, first served. A caller first waits for its user to have
 * room, behind the user's other callers, and only then for the processor to have room, behind all
 * others: so a user at its bound keeps nobody else waiting, and no user's callers overtake each other.
 */
export class WaitingLine {
  readonly #room: Room;
  readonly #line = new LinkedList<Caller>();
  readonly #lineOfUser = new Map<string, LinkedList<Caller>>();
  /** Of each user, how many stand in the common line. */
  readonly #promised = new Map<string, number>();
  #size = 0;
  #isAdvancing = false;

  constructor(room: Room) {
    this.#room = room;
  }

  get size(): number {
    return this.#size;
  }

  /** Whether an order of this user may be accepted without waiting. */
  isOpen(userId: string): boolean {
    return (
      this.#line.head === undefined &&
      !this.#lineOfUser.has(userId) &&
      this.#room.has() &&
      this.#room.hasFor(userId, 0)
    );
  }

  join(caller: Caller): void {
    const { userId } = caller.job;
    this.#size += 1;
    let line = this.#lineOfUser.get(userId);
    if (line === undefined) {
      line = new LinkedList();
      this.#lineOfUser.set(userId, line);
    }
    this.#stand(caller, line);
    this.advance(userId);
  }

  /** Takes a caller out; false if its turn has come already. */
  leave(caller: Caller): boolean {
    if (caller.line === undefined) return false;
    this.#take(caller);
    this.advance(caller.job.userId);
    return true;
  }

  /** Room may have come, for this user in particular. */
  advance(userId: string): void {
    if (this.#size === 0) return;
    this.#advanceUser(userId);
    // What is admitted may be settled at once and make room again: that is for this loop, not a deeper one.
    if (this.#isAdvancing) return;
    this.#isAdvancing = true;
    for (let caller = this.#line.head; caller !== undefined; caller = this.#line.head) {
      if (!this.#room.has()) break;
      this.#take(caller);
      caller.admit();
      // Its order may have been known already, and then the user still has the room.
      this.#advanceUser(caller.job.userId);
    }
    this.#isAdvancing = false;
  }

  /** Everybody's turn, whether there is room or not. */
  dismiss(): void {
    for (const [userId, line] of [...this.#lineOfUser]) {
      while (line.head !== undefined) this.#promise(line.head, userId);
    }
    for (let caller = this.#line.head; caller !== undefined; caller = this.#line.head) {
      this.#take(caller);
      caller.admit();
    }
  }

  /** Moves a user's callers on to the common line as far as the user has room. */
  #advanceUser(userId: string): void {
    const line = this.#lineOfUser.get(userId);
    if (line === undefined) return;
    for (let caller = line.head; caller !== undefined; caller = line.head) {
      if (!this.#room.hasFor(userId, this.#promised.get(userId) ?? 0)) return;
      this.#promise(caller, userId);
    }
  }

  #promise(caller: Caller, userId: string): void {
    this.#size += 1;
    this.#take(caller);
    this.#stand(caller, this.#line);
    this.#promised.set(userId, (this.#promised.get(userId) ?? 0) + 1);
  }

  #stand(caller: Caller, line: LinkedList<Caller>): void {
    caller.line = line;
    line.push(caller);
  }

  #take(caller: Caller): void {
    const { userId } = caller.job;
    const line = caller.line as LinkedList<Caller>;
    line.remove(caller);
    caller.line = undefined;
    this.#size -= 1;
    if (line === this.#line) {
      const promised = (this.#promised.get(userId) as number) - 1;
      if (promised === 0) this.#promised.delete(userId);
      else this.#promised.set(userId, promised);
    } else if (line.head === undefined) this.#lineOfUser.delete(userId);
  }
}
