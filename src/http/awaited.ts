import type { OrderError } from '../errors.ts';
import type { OrderProcessor } from '../order-processor.ts';
import type { OrderOutcome } from '../outcome.ts';

/** One request that waits for an order. */
export interface Wait {
  /** What the order has come to since the wait began. */
  outcome: OrderOutcome | undefined;
}

/**
 * The ends of orders that requests wait for. An order may end before its outcome is asked for, inside the call
 * that hands it in; then only the event has the cause of its failure, and with a storage that remembers no
 * orders only the event has anything.
 */
export class Awaited {
  readonly #processor: OrderProcessor;
  /** Each request has its own: where nothing is remembered, an id may stand for one order after the other. */
  readonly #waits = new Map<string, Set<Wait>>();
  #isListening = false;

  constructor(processor: OrderProcessor) {
    this.#processor = processor;
  }

  /** Begins to hear of an order; before it is handed in. */
  begin(id: string): Wait {
    if (!this.#isListening) this.#listen();
    const wait: Wait = { outcome: undefined };
    const waits = this.#waits.get(id);
    if (waits === undefined) this.#waits.set(id, new Set([wait]));
    else waits.add(wait);
    return wait;
  }

  end(id: string, wait: Wait): void {
    const waits = this.#waits.get(id);
    waits?.delete(wait);
    if (waits?.size === 0) this.#waits.delete(id);
  }

  /** Once, when it is first needed: requests that wait for nothing do not pay for it. */
  #listen(): void {
    this.#isListening = true;
    const processor = this.#processor;
    processor.on('completed', (receipt) => this.#hear(receipt.orderId, receipt));
    for (const status of ['failed', 'canceled'] as const) {
      processor.on(status, (error) => this.#hear(error.orderId, { status, error }));
    }
  }

  #hear(id: string | undefined, outcome: OrderOutcome): void {
    for (const wait of this.#waits.get(id ?? '') ?? []) wait.outcome ??= outcome;
  }
}

/** The error with its cause, if the event had that: no storage remembers it. */
export function withCause(error: OrderError, { outcome }: Wait): OrderError {
  return outcome === undefined || outcome.status === 'completed' ? error : outcome.error;
}
