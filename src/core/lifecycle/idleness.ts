import type { InFlightOrders } from './in-flight-orders.ts';

/** Whether any accepted order is unsettled, and the callers that wait until none is. */
export class Idleness {
  readonly #inFlight: InFlightOrders;
  readonly #hasRunningSteps: () => boolean;
  readonly #notify: (isStillIdle: () => boolean) => void;
  #isIdle = true;
  readonly #isStillIdle = (): boolean => this.#isIdle;
  readonly #idleWaiters: (() => void)[] = [];
  readonly #drainWaiters: (() => void)[] = [];

  /**
   * @param hasRunningSteps - whether steps of settled orders run
   * @param notify - raises `idle`, if the processor is still idle when its listeners have their turn
   */
  constructor(
    inFlight: InFlightOrders,
    hasRunningSteps: () => boolean,
    notify: (isStillIdle: () => boolean) => void,
  ) {
    this.#inFlight = inFlight;
    this.#hasRunningSteps = hasRunningSteps;
    this.#notify = notify;
  }

  /** One more order is unsettled. */
  end(): void {
    this.#isIdle = false;
  }

  /** Resolves when no accepted order is unsettled. */
  whenIdle(): Promise<void> {
    if (this.#hasNothingLeft) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Resolves when, in addition, no step runs. */
  whenDrained(): Promise<void> {
    if (this.#isDrained) return Promise.resolve();
    return new Promise((resolve) => this.#drainWaiters.push(resolve));
  }

  /** Checks whether the last order has been settled. */
  check(): void {
    if (!this.#hasNothingLeft) return;
    // A listener may have settled more, and been notified, before this order's own turn.
    if (!this.#isIdle) {
      this.#isIdle = true;
      this.#notify(this.#isStillIdle);
    }
    if (this.#idleWaiters.length > 0) {
      for (const resolve of this.#idleWaiters.splice(0)) resolve();
    }
    this.checkDrained();
  }

  /** Checks whether, in addition, the last step has ended. */
  checkDrained(): void {
    if (this.#drainWaiters.length === 0 || !this.#isDrained) return;
    for (const resolve of this.#drainWaiters.splice(0)) resolve();
  }

  get #hasNothingLeft(): boolean {
    return this.#inFlight.size === 0 && !this.#inFlight.isRecovering;
  }

  get #isDrained(): boolean {
    return this.#hasNothingLeft && !this.#hasRunningSteps();
  }
}
