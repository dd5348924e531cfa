import type { Awaitable } from './awaitable.ts';
import { systemTime } from './system-time.ts';

/** How long the library may hold the event loop before it lets the host have a turn. */
const sliceMs = 4;

/** A reading is good for this many uses within one turn of the event loop. */
const usesPerReading = 16;

/**
 * The processor's clock: monotonic whole milliseconds since it was made (small integers, which cost
 * no allocation), read once for several uses because a reading costs as much as a map look-up.
 * It also knows for how long this turn of the event loop has been held: promise callbacks all run in
 * one turn, so a closed loop of callers would otherwise never let the host's timers and sockets run.
 */
export class Clock {
  readonly #origin = systemTime.now();
  /** Unix milliseconds of now, read anew: when orders may begin. */
  readonly unixNow: () => number;
  /** Unix milliseconds of the reading 0, as they were counted then. */
  readonly #madeAt: number;
  #shift = 0;
  #ms = 0;
  #uses = 0;
  #turnStartedAt = 0;
  // False means that the event loop has turned since the last reading.
  #inTurn = false;
  /** Counts turns, so that the end of an earlier turn is not taken for the end of the present one. */
  #turns = 0;
  #nextTurn: Promise<void> | undefined;
  /** The long works that wait to go on. */
  #works: (() => void)[] = [];
  /** An immediate of ours is under way: the next immediate comes after the host's timers and sockets. */
  #isInImmediate = false;

  /** @param unixNow - Unix milliseconds; by default those of the machine's clock */
  constructor(unixNow = () => Date.now()) {
    this.unixNow = unixNow;
    this.#madeAt = unixNow();
  }

  /** Milliseconds since the clock was made; at most a few uses old. */
  now(): number {
    this.#uses += 1;
    if (!this.#inTurn || this.#uses >= usesPerReading) this.read();
    return this.#ms;
  }

  /** The last reading, for what happens in the same call. */
  get last(): number {
    return this.#ms;
  }

  /** A new reading: for steps, which may hold the loop themselves. */
  read(): number {
    this.#uses = 0;
    this.#ms = Math.floor(systemTime.now() - this.#origin);
    if (!this.#inTurn) this.#startTurn();
    return this.#ms;
  }

  /** Whether the host should have its turn, as of the last reading. */
  get isTurnSpent(): boolean {
    return this.#ms - this.#turnStartedAt >= sliceMs;
  }

  /** The same as of now. */
  hasTime(): boolean {
    this.now();
    return !this.isTurnSpent;
  }

  /** Resolves when the host's timers and sockets have had their turn: one promise for all callers. */
  nextTurn(): Promise<void> {
    this.#nextTurn ??= new Promise((resolve) => {
      const begin = (): void => this.#begin(resolve);
      // The first immediate after a timer or a socket comes before the timers that fell due meanwhile.
      const first = this.#isInImmediate ? begin : () => systemTime.setImmediate(begin);
      systemTime.setImmediate(first);
    });
    return this.#nextTurn;
  }

  /**
   * The same for a work that takes all the time it gets. Works beside each other take turns in being the first, since
   * the first one may leave no time to the others.
   */
  nextSlice(): Promise<void> {
    this.nextTurn();
    return new Promise((resolve) => this.#works.push(resolve));
  }

  /** The promise of the next slice where the host should have its turn first: for loops over many orders. */
  spentTurn(): Promise<void> | undefined {
    return this.hasTime() ? undefined : this.nextSlice();
  }

  /**
   * An answer for a caller that may ask many times in promise callbacks, which all run before the event loop turns. So
   * now and then it waits for the next turn.
   */
  async paced<T>(answer: Awaitable<T>): Promise<T> {
    const value = await answer;
    if (!this.hasTime()) await this.nextTurn();
    return value;
  }

  /** By how many milliseconds the clock that gives Unix time has been set since this one was made. */
  get shift(): number {
    return this.#shift;
  }

  /**
   * A reading as Unix milliseconds. Two moments are as far apart as their readings only with the same shift, so an
   * order keeps the shift of its acceptance.
   */
  toUnix(ms: number, shift = this.#shift): number {
    return this.#madeAt + shift + ms;
  }

  /** The reading of a moment in the past, negative before the clock was made; never later than now. */
  fromUnix(ms: number): number {
    return Math.min(this.now(), ms - this.#madeAt - this.#shift);
  }

  /** The shift with which a reading is this moment. */
  shiftOf(ms: number, unixMs: number): number {
    return unixMs - this.#madeAt - ms;
  }

  #begin(resolve: () => void): void {
    this.#nextTurn = undefined;
    // The work of the host's sockets before, in the same round of the event loop, does not count in this turn.
    this.#inTurn = false;
    this.read();
    this.#isInImmediate = true;
    resolve();
    const [first, ...works] = this.#works;
    this.#works = [];
    for (const goOn of works) goOn();
    first?.();
    // A tick comes when the promise callbacks of all these have run.
    systemTime.queueMicrotask(() => {
      systemTime.nextTick(() => {
        this.#isInImmediate = false;
      });
    });
  }

  #startTurn(): void {
    this.#inTurn = true;
    this.#turnStartedAt = this.#ms;
    this.#turns += 1;
    const turn = this.#turns;
    systemTime.setImmediate(() => {
      if (this.#turns === turn) this.#inTurn = false;
    });
    // The clock that gives Unix time may have been set. Durations must not change by that; dates must.
    const off = this.unixNow() - this.toUnix(this.#ms);
    if (off > 100 || off < -100) this.#shift += off;
  }
}

const clocks = new WeakMap<object, Clock>();

/** By this clock the records of a processor have their times. */
export function keepClock(processor: object, clock: Clock): void {
  clocks.set(processor, clock);
}

/**
 * What time it is by the clock of a processor, in Unix milliseconds, and not before what its records have; of what has no
 * clock, by the machine's.
 */
export function unixTimeAt(processor: object): number {
  const clock = clocks.get(processor);
  return clock === undefined ? Date.now() : Math.max(clock.unixNow(), clock.toUnix(clock.last));
}
