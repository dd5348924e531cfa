import type { InFlightOrders } from './in-flight-orders.ts';

/** Whether anything accepted is unsettled, and who waits for the end of that. */
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
   * @param notify - raises `idle`, if that is still so when its listeners have their turn
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

  /** An order is unsettled from now on. */
  end(): void {
    this.#isIdle = false;
  }

  /** Resolves when nothing accepted is unsettled. */
  whenIdle(): Promise<void> {
    if (this.#hasNothingLeft) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Resolves when, beside that, no step runs. */
  whenDrained(): Promise<void> {
    if (this.#isDrained) return Promise.resolve();
    return new Promise((resolve) => this.#drainWaiters.push(resolve));
  }

  /** Nothing may be left unsettled. */
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

  /** Beside that, no step may run. */
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
