import type { InFlightOrders } from './in-flight-orders.ts';

/** What is left where no order of another lane is unsettled. */
export interface UnsettledWork {
  /** How many orders wait in held lanes. */
  heldOrders(): number;
  /** Whether steps of settled orders run. */
  hasRunningSteps(): boolean;
}

/**
 * Whether anything accepted is unsettled, and who waits for the end of that. What waits in held lanes does not count:
 * it may wait for days, and only a release can end that.
 */
export class Idleness {
  readonly #inFlight: InFlightOrders;
  readonly #work: UnsettledWork;
  readonly #notify: (isStillIdle: () => boolean) => void;
  #isIdle = true;
  readonly #isStillIdle = (): boolean => this.#isIdle;
  readonly #idleWaiters: (() => void)[] = [];
  readonly #drainWaiters: (() => void)[] = [];

  /**
   * @param notify - raises `idle`, if that is still so when its listeners have their turn
   */
  constructor(
    inFlight: InFlightOrders,
    work: UnsettledWork,
    notify: (isStillIdle: () => boolean) => void,
  ) {
    this.#inFlight = inFlight;
    this.#work = work;
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
    const { active } = this.#inFlight;
    if (active > 0 && active > this.#work.heldOrders()) return false;
    return !this.#inFlight.isRecovering;
  }

  get #isDrained(): boolean {
    return this.#hasNothingLeft && !this.#work.hasRunningSteps();
  }
}
