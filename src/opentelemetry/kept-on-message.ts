/**
 * What is kept of an operation from its beginning to its end, on its message itself. A `WeakMap` would cost more than the
 * span of an order that is sampled out.
 */
export class KeptOnMessage<Message extends object, Value> {
  readonly #key = Symbol('order-processor/opentelemetry');

  get(message: Message): Value | undefined {
    return (message as Record<symbol, Value | undefined>)[this.#key];
  }

  set(message: Message, value: Value): void {
    (message as Record<symbol, Value | undefined>)[this.#key] = value;
  }
}
