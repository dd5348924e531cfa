import { useLayoutEffect, useState } from 'preact/hooks';

/** One value that several parts of the page show. */
export class Store<T> {
  readonly #listeners = new Set<() => void>();
  #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) listener();
  }

  /** Returns what ends it. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get hasListeners(): boolean {
    return this.#listeners.size > 0;
  }
}

/** The value, and a render for each change of it. */
export function useStore<T>(store: Store<T>): T {
  const [, render] = useState<object>();
  useLayoutEffect(() => {
    const shown = store.value;
    const end = store.subscribe(() => render({}));
    // It may have changed between the rendering and this.
    if (!Object.is(shown, store.value)) render({});
    return end;
  }, [store]);
  return store.value;
}
