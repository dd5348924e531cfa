import type { RetriedStep, SteppedOrder } from '../../core/lifecycle/processor-events.ts';
import type { RetryView } from '../api.ts';

/** Of so many orders the times are kept. */
const mostOrders = 5_000;
/** So many retries of one step. */
const mostRetries = 20;
const longestMessage = 300;

/** What was observed of one step, or of its compensation. */
export interface StepTimes {
  endedAt: number | undefined;
  readonly retries: RetryView[];
}

/** When the steps of orders ended and why attempts failed, of the orders observed last. */
export class ObservedSteps {
  /** By order, then by step. */
  readonly #orders = new Map<string, Map<string, StepTimes>>();
  readonly #now: () => number;

  /** @param now - what time it is, in Unix milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  stepped({ orderId, step: { name, compensation } }: SteppedOrder): void {
    this.#times(orderId, name, compensation !== undefined).endedAt = this.#now();
  }

  retried({ orderId, step, isCompensation, attempt, delayMs, code, message }: RetriedStep): void {
    const { retries } = this.#times(orderId, step, isCompensation);
    if (retries.length === mostRetries) retries.shift();
    const text = message.slice(0, longestMessage);
    retries.push({ attempt, at: this.#now(), pauseMs: delayMs, code, message: text });
  }

  /** `undefined` if nothing was observed. */
  of(orderId: string, step: string, isCompensation: boolean): StepTimes | undefined {
    return this.#orders.get(orderId)?.get(keyOf(step, isCompensation));
  }

  #times(orderId: string, step: string, isCompensation: boolean): StepTimes {
    let steps = this.#orders.get(orderId);
    if (steps === undefined) {
      steps = new Map();
      this.#orders.set(orderId, steps);
      if (this.#orders.size > mostOrders) this.#forgetFirst();
    }
    const key = keyOf(step, isCompensation);
    let times = steps.get(key);
    if (times === undefined) {
      times = { endedAt: undefined, retries: [] };
      steps.set(key, times);
    }
    return times;
  }

  #forgetFirst(): void {
    const [first] = this.#orders.keys();
    if (first !== undefined) this.#orders.delete(first);
  }
}

function keyOf(step: string, isCompensation: boolean): string {
  return isCompensation ? `${step}\0undo` : step;
}
