import { observing } from '../../core/lifecycle/listeners/observing.ts';
import type { EventName } from '../../core/lifecycle/processor-events.ts';
import type { OrderProcessor } from '../../core/order-processor.ts';

type Listener = (payload: never) => void;

/**
 * Listens to events of which there may be very many, at a bounded cost: after so many of them it does not listen until
 * the next turn, so that the processor makes nothing for it.
 */
export class BoundedListener {
  readonly #processor: OrderProcessor;
  readonly #most: number;
  readonly #listeners: readonly (readonly [EventName, (payload: unknown) => void])[];
  #left = 0;
  #isListening = false;
  #isStarted = false;

  /** @param most - how many events are listened to in a turn */
  constructor(
    processor: OrderProcessor,
    most: number,
    listeners: { readonly [E in EventName]?: Listener },
  ) {
    this.#processor = processor;
    this.#most = most;
    this.#listeners = Object.entries(listeners).map(([name, listener]) => [
      name as EventName,
      observing((payload: unknown) => {
        if (!this.#take()) return;
        listener(payload as never);
      }),
    ]);
  }

  /** Whether there were more events in this turn than it listens to. */
  get isFull(): boolean {
    return this.#isStarted && this.#left === 0;
  }

  /** Begins, or begins the next turn. */
  nextTurn(): void {
    this.#isStarted = true;
    this.#left = this.#most;
    if (this.#isListening) return;
    this.#isListening = true;
    for (const [name, listener] of this.#listeners) this.#processor.on(name, listener);
  }

  stop(): void {
    this.#isStarted = false;
    this.#leave();
  }

  #take(): boolean {
    if (this.#left === 0) return false;
    this.#left -= 1;
    if (this.#left === 0) this.#leave();
    return true;
  }

  #leave(): void {
    if (!this.#isListening) return;
    this.#isListening = false;
    for (const [name, listener] of this.#listeners) this.#processor.off(name, listener);
  }
}
