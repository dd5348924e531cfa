import { type Linked, LinkedList } from '../../core/collections/linked-list.ts';
import { HttpError } from '../../server/http-error.ts';

/** How exact the limits are, in milliseconds: whoever waits is looked at this often. */
const tickMs = 250;

/** How long work may take to heed its signal, in milliseconds. */
const graceMs = 1_000;

/** How many ticks are left of a wait that has ended. */
const over = -1;

/** One request that waits for something. */
export interface Wait extends Linked<Wait> {
  readonly request: Request;
  readonly late: () => Error;
  readonly giveUp: (error: Error) => void;
  ticksLeft: number;
}

/**
 * Ends what requests wait for when that takes too long, or their clients have gone. One timer looks after all
 * of them, and asks only those that have waited for a while: hardly any request does, and each has to do
 * with this twice.
 */
export class Patience {
  /** No `Set`: its table is made anew every few requests, and an old one keeps all that came later alive. */
  readonly #waits = new LinkedList<Wait>();
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param late - why it gives up after `limitMs`
   * @param giveUp - called once, unless it has ended before
   */
  begin(
    request: Request,
    limitMs: number,
    late: () => Error,
    giveUp: (error: Error) => void,
  ): Wait {
    const ticksLeft = Math.ceil(limitMs / tickMs) + 1;
    const wait: Wait = { request, late, giveUp, ticksLeft, prev: undefined, next: undefined };
    this.#waits.push(wait);
    this.#timer ??= setInterval(() => this.#look(), tickMs).unref();
    return wait;
  }

  end(wait: Wait): void {
    if (wait.ticksLeft === over) return;
    wait.ticksLeft = over;
    this.#waits.remove(wait);
  }

  #look(): void {
    for (const wait of this.#waits.all()) {
      wait.ticksLeft -= 1;
      const isLate = wait.ticksLeft <= 0;
      if (!isLate && !wait.request.signal.aborted) continue;
      this.end(wait);
      wait.giveUp(isLate ? wait.late() : gone());
    }
    if (!this.#waits.isEmpty) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** The same for all requests of the process: it has one timer. */
const shared = new Patience();

/** What a promise comes to, unless that takes too long; then that is nobody's. */
export function inTime<T>(
  request: Request,
  limitMs: number,
  late: () => Error,
  promise: Promise<T>,
  patience: Patience = shared,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const wait = patience.begin(request, limitMs, late, reject);
    promise.then(
      (value) => {
        patience.end(wait);
        resolve(value);
      },
      (error) => {
        patience.end(wait);
        reject(error);
      },
    );
  });
}

/**
 * The same for work that ends by a signal: what it comes to then is heard, should it succeed. Work that does not
 * heed the signal is given up a little later.
 *
 * @param deaf - why, then
 */
export function bySignal<T>(
  request: Request,
  limitMs: number,
  late: () => Error,
  work: (signal: AbortSignal) => Promise<T>,
  deaf: () => Error = late,
  patience: Patience = shared,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const signal = new LateSignal();
    let wait = patience.begin(request, limitMs, late, (error) => {
      wait = patience.begin(request, graceMs, deaf, reject);
      signal.abort(error);
    });
    work(signal as unknown as AbortSignal).then(
      (value) => {
        patience.end(wait);
        resolve(value);
      },
      (error) => {
        patience.end(wait);
        reject(signal.aborted ? signal.reason : error);
      },
    );
  });
}

/** As much of an AbortSignal as is listened to: a real one costs more than most orders do. */
class LateSignal implements Pick<AbortSignal, 'aborted' | 'reason'> {
  aborted = false;
  reason: unknown;
  #listeners: Set<() => void> | undefined;

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners ??= new Set();
    this.#listeners.add(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners?.delete(listener);
  }

  abort(reason: unknown): void {
    this.aborted = true;
    this.reason = reason;
    for (const listener of this.#listeners ?? []) listener();
  }
}

function gone(): HttpError {
  return new HttpError(408, 'canceled', 'The client has gone');
}
