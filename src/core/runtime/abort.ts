/** How many callbacks of one signal are called in a row; then the host's timers and sockets have a turn. */
const mostInARow = 256;

// Before a test replaces it by a fake one.
const { setImmediate } = globalThis;

/** Why an order is canceled from outside. */
export interface Cancellation {
  /** `'canceled'` by default. */
  readonly code?: 'canceled' | 'expired';
  readonly message: string;
  /** The reason of the signal that aborted. */
  readonly cause?: unknown;
}

/** The callbacks that wait for one signal, behind one listener on it. */
class Callbacks {
  readonly #signal: AbortSignal;
  readonly #all = new Set<() => void>();
  readonly #dispatch = (): void => {
    callbacksOf.delete(this.#signal);
    this.#callNext();
  };

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', this.#dispatch, { once: true });
    callbacksOf.set(signal, this);
  }

  add(callback: () => void): void {
    this.#all.add(callback);
  }

  #callNext(): void {
    let count = 0;
    for (const each of this.#all) {
      if (count === mostInARow) {
        setImmediate(() => this.#callNext());
        return;
      }
      count += 1;
      this.#all.delete(each);
      each();
    }
  }

  delete(callback: () => void): void {
    this.#all.delete(callback);
    if (this.#all.size > 0 || callbacksOf.get(this.#signal) !== this) return;
    callbacksOf.delete(this.#signal);
    try {
      this.#signal.removeEventListener('abort', this.#dispatch);
    } catch {
      // A signal of the host's own that throws must not affect the order that ends.
    }
  }
}

/**
 * One listener on a signal for all callbacks that wait for it: many orders may share one signal, and Node.js searches
 * all listeners of a signal to remove one.
 */
const callbacksOf = new WeakMap<AbortSignal, Callbacks>();

/**
 * Calls back once when the signal aborts, unless the returned function is called before. The signal must not have
 * aborted. If there are many callbacks, some are called in later turns of the event loop: code that must not begin
 * meanwhile checks the signal itself. The listener is removed with the last callback: Node.js keeps the signals of
 * `AbortSignal.any` and `AbortSignal.timeout` in memory for as long as they have one.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const callbacks = callbacksOf.get(signal) ?? new Callbacks(signal);
  // A function of its own, since the same callback may wait twice.
  const entry = (): void => callback();
  callbacks.add(entry);
  return () => callbacks.delete(entry);
}

/**
 * Waits for something until the signal aborts. Then the promise rejects with `error()`, and the function that `begin`
 * has returned is called, which ends the waiting.
 */
export function untilAbort<T>(
  signal: AbortSignal | undefined,
  error: () => unknown,
  begin: (
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ) => (() => unknown) | undefined,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let giveBack: (() => unknown) | undefined;
    const end = (): void => {
      giveBack?.();
      reject(error());
    };
    if (signal?.aborted) return end();
    const takeBack = signal && onAbort(signal, end);
    const settling =
      <V>(settle: (value: V) => void) =>
      (value: V): void => {
        takeBack?.();
        settle(value);
      };
    try {
      giveBack = begin(settling(resolve), settling(reject));
    } catch (thrown) {
      settling(reject)(thrown);
    }
  });
}

export function isAbortSignal(value: unknown): value is AbortSignal {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as AbortSignal).aborted === 'boolean' &&
    typeof (value as AbortSignal).addEventListener === 'function'
  );
}

/** Whether an order's signal has aborted; never throws, even if a signal of the host's own does. */
export function hasAborted(signal: AbortSignal | undefined): boolean {
  try {
    return signal?.aborted === true;
  } catch {
    return false;
  }
}

export function reasonOf(signal: AbortSignal | undefined): unknown {
  try {
    return signal?.reason;
  } catch {
    // A signal of the host's own.
    return undefined;
  }
}
