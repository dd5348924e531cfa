import { systemTime } from '../core/runtime/system-time.ts';

/** A result that is known passes through so many promises at most. */
const promisesOnTheWay = 16;

/** A result that was requested. */
export class Requested<T> {
  readonly result: Promise<T>;
  #isKnown = false;

  constructor(result: Promise<T>) {
    this.result = result;
    const note = (): void => {
      this.#isKnown = true;
    };
    result.then(note, note);
  }

  /** Whether it is known in this turn of the event loop, or in the next one. */
  async isSoon(): Promise<boolean> {
    // A known result still passes through some promises, which cost less than a turn.
    for (let step = 0; step < promisesOnTheWay && !this.#isKnown; step += 1) await undefined;
    if (!this.#isKnown) await new Promise<void>(systemTime.setImmediate);
    return this.#isKnown;
  }

  /** Whether it is known within a time; rejects if it has failed by then. */
  async isKnownWithin(ms: number): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, ms, false).unref();
    });
    try {
      return await Promise.race([this.result.then(() => true), late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
