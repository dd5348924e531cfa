type Observer = (payload: never) => unknown;

const observers = new WeakSet<Observer>();

/**
 * Marks a listener as an observer's: it changes nothing, also not what is reported to a host that has no listener of its
 * own. Returns the listener.
 */
export function observing<L extends Observer>(listener: L): L {
  observers.add(listener);
  return listener;
}

/** Whether a listener is an observer's. */
export function isObserving(listener: Observer): boolean {
  return observers.has(listener);
}
