// The global of this name is a getter, and not cheap.
import { performance } from 'node:perf_hooks';

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
  readonly #origin = performance.now();
  #epoch = Date.now();
  #ms = 0;
  #uses = 0;
  #turnStartedAt = 0;
  // False means that the event loop has turned since the last reading.
  #inTurn = false;
  /** Counts turns, so that the end of an earlier one is not taken for that of the present one. */
  #turns = 0;
  #nextTurn: Promise<void> | undefined;
  /** Whoever waits to go on with a long work. */
  #works: (() => void)[] = [];
  /** An immediate of ours is under way: the next immediate comes after the host's timers and sockets. */
  #isInImmediate = false;

  /** Milliseconds since the clock was made; at most a few uses old. */
  now(): number {
    this.#uses += 1;
    if (!this.#inTurn || this.#uses >= usesPerReading) this.read();
    return this.#ms;
  }

  /** The reading that `now` gave last: for what happens in the same breath. */
  get last(): number {
    return this.#ms;
  }

  /** The same, read just now: for steps, which may hold the loop themselves. */
  read(): number {
    this.#uses = 0;
    this.#ms = Math.floor(performance.now() - this.#origin);
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

  /** Resolves when the host's timers and sockets have had their turn: one promise for all who wait for it. */
  nextTurn(): Promise<void> {
    this.#nextTurn ??= new Promise((resolve) => {
      const begin = (): void => this.#begin(resolve);
      // The first immediate after a timer or a socket comes before the timers that fell due meanwhile.
      setImmediate(this.#isInImmediate ? begin : () => setImmediate(begin));
    });
    return this.#nextTurn;
  }

  /**
   * The same for a work that takes all the time it gets: those that go on beside each other take turns in being
   * the first, and who is first may leave no time to the others.
   */
  nextSlice(): Promise<void> {
    this.nextTurn();
    return new Promise((resolve) => this.#works.push(resolve));
  }

  /** The promise of the next slice where the host should have its turn first: for loops over many orders. */
  spentTurn(): Promise<void> | undefined {
    return this.hasTime() ? undefined : this.nextSlice();
  }

  /** A reading as Unix milliseconds. */
  toUnix(ms: number): number {
    return this.#epoch + ms;
  }

  /** Unix milliseconds as a reading, negative for what was before the clock was made. */
  fromUnix(ms: number): number {
    return ms - this.#epoch;
  }

  #begin(resolve: () => void): void {
    this.#nextTurn = undefined;
    // What the host's sockets did before, in the same round of the event loop, is not this turn's.
    this.#inTurn = false;
    this.read();
    this.#isInImmediate = true;
    resolve();
    const [first, ...works] = this.#works;
    this.#works = [];
    for (const goOn of works) goOn();
    first?.();
    // A tick comes when the promise callbacks of all these have run.
    queueMicrotask(() => {
      process.nextTick(() => {
        this.#isInImmediate = false;
      });
    });
  }

  #startTurn(): void {
    this.#inTurn = true;
    this.#turnStartedAt = this.#ms;
    this.#turns += 1;
    const turn = this.#turns;
    setImmediate(() => {
      if (this.#turns === turn) this.#inTurn = false;
    });
    // The machine's clock may have been set; durations must not notice, dates must.
    const off = Date.now() - this.#epoch - this.#ms;
    if (off > 100 || off < -100) this.#epoch += off;
  }
}
