/**
 * What `submit` gives inside a step. Only a step that awaits it waits for the order, so that is when it is asked
 * whether that would be a deadlock: `await` and all else that takes a promise call `then`.
 */
export class ReceiptPromise<T> extends Promise<T> {
  /** What is made of it is a plain promise. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  #begin: (() => (() => void) | undefined) | undefined;

  /** @param begin - called each time it is awaited, until it is settled; throws if that would be a deadlock */
  static of<T>(promise: Promise<T>, begin: () => (() => void) | undefined): ReceiptPromise<T> {
    const own = new ReceiptPromise<T>((resolve) => resolve(promise));
    own.#begin = begin;
    const settled = (): void => {
      own.#begin = undefined;
    };
    promise.then(settled, settled);
    return own;
  }

  // biome-ignore lint/suspicious/noThenProperty: it is a promise
  override then<Value = T, Reason = never>(
    fulfilled?: ((value: T) => Value | PromiseLike<Value>) | null,
    rejected?: ((reason: unknown) => Reason | PromiseLike<Reason>) | null,
  ): Promise<Value | Reason> {
    try {
      const end = this.#begin?.();
      if (end !== undefined) super.then(end, end);
    } catch (error) {
      // The caller hears this instead of what the order comes to.
      super.then(undefined, () => {});
      return Promise.reject(error).then(undefined, rejected);
    }
    return super.then(fulfilled, rejected);
  }
}
