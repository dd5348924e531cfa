import { type Linked, LinkedList } from '../../core/collections/linked-list.ts';
import { HttpError } from '../../server/http-error.ts';

/** How exact the limits are, in milliseconds: each request that waits is checked this often. */
const tickMs = 250;

/** How long work may take to end after its signal has aborted, in milliseconds. */
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
 * Ends the waits of requests that take too long, or whose clients have gone. One timer serves all of them: hardly
 * any request waits for long, so beginning and ending a wait must be cheap.
 */
export class RequestTimeouts {
  /** No `Set`: it makes a new table every few requests, and an old table keeps later entries alive. */
  readonly #waits = new LinkedList<Wait>();
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param late - the error after `limitMs`
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
    this.#timer ??= setInterval(() => this.#check(), tickMs).unref();
    return wait;
  }

  end(wait: Wait): void {
    if (wait.ticksLeft === over) return;
    wait.ticksLeft = over;
    this.#waits.remove(wait);
  }

  #check(): void {
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

/** For all requests of the process. */
const shared = new RequestTimeouts();

/** What a promise comes to, or the error `late` if that takes too long; the result is ignored then. */
export function inTime<T>(
  request: Request,
  limitMs: number,
  late: () => Error,
  promise: Promise<T>,
  timeouts: RequestTimeouts = shared,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const wait = timeouts.begin(request, limitMs, late, reject);
    promise.then(
      (value) => {
        timeouts.end(wait);
        resolve(value);
      },
      (error) => {
        timeouts.end(wait);
        reject(error);
      },
    );
  });
}

/**
 * The same for work that ends by a signal. If the work succeeds after the signal has aborted, its result counts.
 *
 * @param unanswered - the error if the work does not end soon after its signal
 */
export function bySignal<T>(
  request: Request,
  limitMs: number,
  late: () => Error,
  work: (signal: AbortSignal) => Promise<T>,
  unanswered: () => Error = late,
  timeouts: RequestTimeouts = shared,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const signal = new LateSignal();
    let wait = timeouts.begin(request, limitMs, late, (error) => {
      wait = timeouts.begin(request, graceMs, unanswered, reject);
      signal.abort(error);
    });
    work(signal as unknown as AbortSignal).then(
      (value) => {
        timeouts.end(wait);
        resolve(value);
      },
      (error) => {
        timeouts.end(wait);
        reject(signal.aborted ? signal.reason : error);
      },
    );
  });
}

/** The part of an AbortSignal that the core uses: a real one costs more than most orders do. */
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
