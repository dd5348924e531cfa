import { OrderError } from './errors.ts';
import type { ParsedOrder } from './order.ts';

/**
 * One listener on a signal for all who wait for it: many orders may share one signal, and Node.js
 * searches all listeners of a signal to remove one.
 */
const callbacksOf = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls back once when the signal aborts; the result takes that back. The signal must not have aborted. */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  let callbacks = callbacksOf.get(signal);
  if (callbacks === undefined) {
    const all = new Set<() => void>();
    const dispatch = (): void => {
      callbacksOf.delete(signal);
      for (const each of all) each();
    };
    signal.addEventListener('abort', dispatch, { once: true });
    callbacksOf.set(signal, all);
    callbacks = all;
  }
  const own = callbacks;
  // A function of its own, since the same callback may wait twice.
  const entry = (): void => callback();
  own.add(entry);
  return () => own.delete(entry);
}

/**
 * Waits for something until the signal aborts: then the promise rejects with `error()`, and what `begin` has
 * given is called, to give the waiting back.
 */
export function untilAbort<T>(
  signal: AbortSignal | undefined,
  error: () => OrderError,
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
    giveBack = begin(settling(resolve), settling(reject));
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

export const bySignal = 'The order was canceled by its signal';

/** A caller waits no longer for an order, which goes on. */
export function waitingEnded(orderId: string): OrderError {
  const message = 'The signal ended the waiting for the outcome, not the order';
  return new OrderError('canceled', message, { orderId });
}

/** The refusal of an order whose caller gave up, be it its own or another caller's. */
export function canceled({ facts }: ParsedOrder): OrderError {
  return new OrderError('canceled', bySignal, facts);
}
