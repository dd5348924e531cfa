import { performance } from 'node:perf_hooks';
import { type Awaitable, asPromise, isThenable } from './awaitable.ts';
import { systemTime } from './system-time.ts';
import { watch } from './until-closed.ts';

/** How many entries go into one call at most. */
export const callBatch = 1_024;

/** A smaller call is not worth a disk's time. */
const smallCall = 64;

/** How often it is looked whether the event loop is busy, in milliseconds. */
const lookMs = 20;

/** What a `GroupCall` calls, and the functions that get its end. No function but `call` may throw. */
export interface GroupCaller<Group, Answer> {
  /** Returns the entries of the next call; `undefined` if there are none now. */
  next(): Group | undefined;
  /** Makes the call. */
  call(group: Group): Awaitable<Answer>;
  /** The call has been answered. The next one begins when this has returned. */
  answered?(group: Group, answer: Answer): void;
  /**
   * Does what follows from the answer, notifying callers and listeners included. The next call, if there is one, is
   * under way.
   */
  done(group: Group, answer: Answer): void;
  /** The call threw or rejected. The next one begins when this has returned. */
  failed(group: Group, cause: unknown): void;
  /** The call has not been answered in time. */
  slow?(message: string): void;
}

export interface GroupCallOptions {
  /** After how many milliseconds without an answer a call counts as slow; never by default. */
  readonly stalledAfterMs?: number;
  /** How many calls may be under way; 1 by default. */
  readonly most?: number;
}

/**
 * Gathers the entries that come while a call is under way into the next call, so that a slow callee costs latency and
 * not throughput. The next call begins before the answer of the last one is passed on: the callee does not wait for
 * listeners. Answers are passed on in the order of their calls.
 *
 * A call that is answered at once is over when `flush` returns.
 */
export class GroupCall<Group, Answer> {
  readonly #caller: GroupCaller<Group, Answer>;
  readonly #stalledAfterMs: number | undefined;
  readonly #most: number;
  /** Calls under way, and one that is being made. */
  #calls = 0;
  #underWay: Promise<void> | undefined;
  #isDue = false;
  /** An answer has come and is being handled: a later answer is handled after it. */
  #isOwing = false;
  #endWatch: (() => void) | undefined;
  readonly #size = new CallSize();
  /** A call has not been answered for too long. */
  isSlow = false;

  constructor(caller: GroupCaller<Group, Answer>, options: GroupCallOptions = {}) {
    this.#caller = caller;
    this.#stalledAfterMs = options.stalledAfterMs;
    this.#most = options.most ?? 1;
  }

  /** Resolves when the call that is under way has been answered; `undefined` if there is none. Never rejects. */
  get underWay(): Promise<void> | undefined {
    return this.#underWay;
  }

  /** Begins the next call if none is under way, until there are no entries. */
  flush(): Promise<void> | undefined {
    // If the callee flushes from inside its own call, that begins no second call inside it.
    while (this.#calls < this.#most) {
      const group = this.#caller.next();
      if (group === undefined) break;
      this.#send(group);
    }
    return this.#underWay;
  }

  /** The same in a microtask: all entries that come before that go into the same call. */
  flushSoon(): void {
    if (this.#isDue || this.#calls >= this.#most) return;
    this.#isDue = true;
    systemTime.queueMicrotask(() => {
      this.#isDue = false;
      this.flush();
    });
  }

  /** How many of the entries that have gathered go into the next call; see `CallSize`. */
  sizeOf(gathered: number, now: number): number {
    return this.#size.next(gathered, now);
  }

  /** Ignores the answer of a call that is under way. */
  close(): void {
    this.#endWatch?.();
  }

  #send(group: Group): void {
    this.#calls += 1;
    let answer: Awaitable<Answer>;
    try {
      answer = this.#caller.call(group);
    } catch (cause) {
      if (this.#isOwing) this.#receive(group, Promise.reject(cause));
      else {
        this.#caller.failed(group, cause);
        this.#calls -= 1;
      }
      return;
    }
    if (isThenable(answer)) this.#receive(group, answer as PromiseLike<Answer>);
    else if (this.#isOwing) this.#receive(group, Promise.resolve(answer));
    else {
      this.#caller.answered?.(group, answer);
      this.#calls -= 1;
      this.#passOn(group, answer);
    }
  }

  /** What follows from an answer may lead to a call that is answered at once: what follows from that comes after it. */
  #passOn(group: Group, answer: Answer): void {
    this.#isOwing = true;
    this.#caller.done(group, answer);
    this.#isOwing = false;
  }

  #receive(group: Group, answer: PromiseLike<Answer>): void {
    const endWatch = this.#watch();
    const underWay = asPromise(answer).then(
      (value) => {
        endWatch?.();
        this.#caller.answered?.(group, value);
        this.#ended(underWay);
        this.#isOwing = true;
        this.flush();
        this.#passOn(group, value);
        this.flush();
      },
      (cause) => {
        endWatch?.();
        this.#caller.failed(group, cause);
        this.#ended(underWay);
        this.flush();
      },
    );
    this.#underWay = underWay;
  }

  #ended(underWay: Promise<void>): void {
    this.#calls -= 1;
    if (this.#underWay === underWay) this.#underWay = undefined;
  }

  #watch(): (() => void) | undefined {
    const { slow } = this.#caller;
    if (this.#stalledAfterMs === undefined || slow === undefined) return undefined;
    const end = watch(this.#stalledAfterMs, (message) => {
      this.isSlow = true;
      this.#caller.slow?.(message);
    });
    this.#endWatch = end;
    return () => {
      end();
      this.isSlow = false;
    };
  }
}

/**
 * How many of the entries that have gathered go into the next call.
 *
 * All of them, while the event loop mostly waits for the callee: a large transaction costs less per entry. If the loop
 * has more to do than the callee, as with callers from the network, all entries would come back at once, and callee and
 * loop would wait for each other in turn. Then it is half of the entries under way, and both work at once.
 *
 * A loop that waits for a core of the machine is active and has no more to do: smaller calls would cost all processes
 * on the machine more. So the processor's time counts too.
 */
export class CallSize {
  #last = 0;
  #isBusy = false;
  #lookedAt = 0;
  #utilization = performance.eventLoopUtilization();
  #cpu = process.cpuUsage();

  /** @param now - in milliseconds, of a clock that does not go back */
  next(gathered: number, now: number): number {
    if (now - this.#lookedAt >= lookMs) this.#look(now);
    const half = Math.max(smallCall, Math.ceil((gathered + this.#last) / 2));
    this.#last = Math.min(gathered, callBatch, this.#isBusy ? half : callBatch);
    return this.#last;
  }

  #look(now: number): void {
    const { active, idle } = performance.eventLoopUtilization(this.#utilization);
    const { user, system } = process.cpuUsage(this.#cpu);
    const usedMs = (user + system) / 1_000;
    this.#isBusy = Math.min(active, usedMs) > (active + idle) / 2;
    this.#utilization = performance.eventLoopUtilization();
    this.#cpu = process.cpuUsage();
    this.#lookedAt = now;
  }
}
