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
  #nextTurn: Promise<void> | undefined;
  /** This turn began in an immediate, so another immediate comes after the host's timers and sockets. */
  #isAfterAll = false;

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

  /** Resolves in the event loop's next turn: one promise for all who wait for it. */
  nextTurn(): Promise<void> {
    this.#nextTurn ??= new Promise((resolve) => {
      const begin = (): void => {
        this.#nextTurn = undefined;
        this.read();
        this.#isAfterAll = true;
        resolve();
      };
      // The first immediate after a timer or a socket comes before the other timers.
      setImmediate(this.#isAfterAll ? begin : () => setImmediate(begin));
    });
    return this.#nextTurn;
  }

  /** A reading as Unix milliseconds. */
  toUnix(ms: number): number {
    return this.#epoch + ms;
  }

  /** Unix milliseconds as a reading, negative for what was before the clock was made. */
  fromUnix(ms: number): number {
    return ms - this.#epoch;
  }

  #startTurn(): void {
    this.#inTurn = true;
    this.#turnStartedAt = this.#ms;
    setImmediate(() => {
      this.#inTurn = false;
      this.#isAfterAll = false;
    });
    // The machine's clock may have been set; durations must not notice, dates must.
    const off = Date.now() - this.#epoch - this.#ms;
    if (off > 100 || off < -100) this.#epoch += off;
  }
}
