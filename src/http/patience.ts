import { HttpError } from '../face/http-error.ts';

/** How exact the limits are, in milliseconds: whoever waits is looked at this often. */
const tickMs = 250;

interface Wait {
  readonly request: Request;
  readonly controller: AbortController;
  readonly late: () => Error;
  ticksLeft: number;
}

/**
 * Ends what a request waits for when that takes too long, or its client has gone. One timer looks after all
 * of them, and asks only those that have waited for a while: hardly any request does.
 */
export class Patience {
  readonly #waits = new Set<Wait>();
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param late - why the signal aborts after `limitMs`
   * @param work - what is waited for; ends soon after its signal has aborted
   * @returns what `work` does; rejects with `late()` if it did not end by itself
   */
  async wait<T>(
    request: Request,
    limitMs: number,
    late: () => Error,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const controller = new AbortController();
    const ticksLeft = Math.ceil(limitMs / tickMs) + 1;
    const wait = { request, controller, late, ticksLeft };
    this.#waits.add(wait);
    this.#timer ??= setInterval(() => this.#look(), tickMs).unref();
    try {
      return await work(controller.signal);
    } catch (error) {
      throw controller.signal.aborted ? controller.signal.reason : error;
    } finally {
      this.#waits.delete(wait);
    }
  }

  #look(): void {
    for (const wait of this.#waits) {
      wait.ticksLeft -= 1;
      if (wait.ticksLeft <= 0) wait.controller.abort(wait.late());
      else if (wait.request.signal.aborted) wait.controller.abort(gone());
    }
    if (this.#waits.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

function gone(): HttpError {
  return new HttpError(408, 'canceled', 'The client has gone');
}

/** A promise that a signal makes reject; what the other one comes to is nobody's then. */
export function until<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.onabort = () => reject(signal.reason);
    promise.then(resolve, reject);
  });
}
