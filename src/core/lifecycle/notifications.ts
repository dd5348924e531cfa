import { Fifo } from '../collections/fifo.ts';
import { systemTime } from '../runtime/system-time.ts';

/** How many notifications are delivered in a row; then the host's timers and sockets have a turn. */
const mostInARow = 1_024;

/**
 * Calls the host's listeners of events and of signals after a change. While a listener runs, further notifications wait
 * until it has returned, and come in the order of the changes. So a listener whose changes notify it again runs at a
 * bounded depth of the stack.
 */
export class Notifications {
  readonly #deferred = new Fifo<() => void>();
  #isNotifying = false;

  /** @param call - must not throw */
  notify<T>(call: (value: T) => void, value: T): void {
    if (this.#isNotifying || !this.#deferred.isEmpty) {
      this.#deferred.push(() => call(value));
      return;
    }
    this.#isNotifying = true;
    call(value);
    if (!this.#deferred.isEmpty) this.#deliver();
    this.#isNotifying = false;
  }

  #deliver(): void {
    for (let count = 0; count < mostInARow; count += 1) {
      const next = this.#deferred.shift();
      if (next === undefined) return;
      next();
    }
    systemTime.setImmediate(() => {
      this.#isNotifying = true;
      this.#deliver();
      this.#isNotifying = false;
    });
  }
}
