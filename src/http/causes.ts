import type { OrderError } from '../errors.ts';
import type { OrderProcessor } from '../order-processor.ts';

interface Awaited {
  requests: number;
  error: OrderError | undefined;
}

/**
 * The errors of orders that requests wait for. An order may fail after it was accepted and before its outcome
 * is asked for; then only the event has the cause, which no storage remembers.
 */
export class Causes {
  readonly #processor: OrderProcessor;
  readonly #awaited = new Map<string, Awaited>();
  #isListening = false;

  constructor(processor: OrderProcessor) {
    this.#processor = processor;
  }

  /** Begins to hear of an order; before it is handed in. */
  await(id: string): void {
    if (!this.#isListening) this.#listen();
    const awaited = this.#awaited.get(id) ?? { requests: 0, error: undefined };
    awaited.requests += 1;
    this.#awaited.set(id, awaited);
  }

  /** The same error with its cause, if it has one. */
  withCause(error: OrderError): OrderError {
    return this.#awaited.get(error.orderId ?? '')?.error ?? error;
  }

  end(id: string): void {
    const awaited = this.#awaited.get(id);
    if (awaited === undefined) return;
    awaited.requests -= 1;
    if (awaited.requests === 0) this.#awaited.delete(id);
  }

  /** Once, when it is first needed. */
  #listen(): void {
    this.#isListening = true;
    this.#processor.on('failed', (error) => {
      const awaited = this.#awaited.get(error.orderId ?? '');
      if (awaited !== undefined) awaited.error = error;
    });
  }
}
