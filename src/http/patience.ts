import { HttpError } from '../face/http-error.ts';
import { type Linked, LinkedList } from '../linked-list.ts';

/** How exact the limits are, in milliseconds: whoever waits is looked at this often. */
const tickMs = 250;

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

/** The same for work that ends by a signal: what it comes to then is heard, should it succeed. */
export async function bySignal<T>(
  request: Request,
  limitMs: number,
  late: () => Error,
  work: (signal: AbortSignal) => Promise<T>,
  patience: Patience = shared,
): Promise<T> {
  const signal = new LateSignal();
  const wait = patience.begin(request, limitMs, late, (error) => signal.abort(error));
  try {
    return await work(signal as unknown as AbortSignal);
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    patience.end(wait);
  }
}

/** As much of an AbortSignal as is listened to: a real one costs more than most orders do. */
class LateSignal implements Pick<AbortSignal, 'aborted' | 'reason'> {
  aborted = false;
  reason: unknown;
  readonly #listeners = new Set<() => void>();

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.delete(listener);
  }

  abort(reason: unknown): void {
    this.aborted = true;
    this.reason = reason;
    for (const listener of this.#listeners) listener();
  }
}

function gone(): HttpError {
  return new HttpError(408, 'canceled', 'The client has gone');
}
