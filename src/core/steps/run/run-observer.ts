import type { Decision, Verdict } from '../../order/decision.ts';
import type { AcceptedOrder } from '../../order/order.ts';
import type { OrderError } from '../../order/order-error.ts';
import type { UnfulfilledOutcome } from '../../order/outcome.ts';
import type { StepResult } from '../../order/step-result.ts';

/** An order as far as its run needs it. */
export interface RunOrder {
  readonly userId: string;
  readonly facts: {
    readonly orderId: string;
    readonly userId: string;
    readonly labels: readonly string[];
  };
  /** On the clock of the run. */
  readonly acceptedAt: number;
  /** How often its steps may have been begun by earlier processes. */
  readonly earlierAttempts: number;
  /** The order as its steps see it, frozen. */
  toOrder(): AcceptedOrder;
}

/** What a run needs as long as it calls functions. */
export interface Worker {
  /** The run has completed. Called last: the worker may begin another run in this call. */
  completed(): void;
  /** The run does not need it for now, or any more; the worker begins another run after this call. */
  free(): void;
}

/** A step is to be tried again. */
export interface Retry {
  readonly step: string;
  readonly isCompensation: boolean;
  /** Which attempt has failed. */
  readonly attempt: number;
  readonly delayMs: number;
  readonly verdict: Verdict;
}

/** Is notified of what happens to steps; nothing follows from that. */
export interface StepListener<Order> {
  /** A step has ended, or its compensation has. */
  stepped(order: Order, result: StepResult): void;
  retried(order: Order, retry: Retry): void;
  compensationFailed(order: Order, step: string, verdict: Verdict): void;
  /** A step's `retryIf` has thrown, or has given no boolean. */
  predicateFailed(order: Order, step: string, cause: unknown): void;
  /** The steps hold the order's user for longer than they should. */
  stalled(order: Order, runningMs: number, steps: readonly string[]): void;
}

/** Has orders run, and decides what follows from what their steps come to. */
export interface RunObserver<Order> extends StepListener<Order> {
  /** Runs a function in the async context of the order's caller. */
  inScope(order: Order, work: () => void): void;
  /** Aborts a signal that the host's code listens to. */
  abort(controller: AbortController, reason: OrderError): void;
  /** The order does not complete: its steps are told to end, and are compensated. */
  decidedAgainst(order: Order): void;
  /** The outcome is certain, though it is not what will have become of the steps. */
  certain(order: Order, outcome: UnfulfilledOutcome): void;
  /**
   * Has the outcome noted, where a storage keeps the order and it is not noted yet.
   *
   * @returns false if the run is to wait for that; `noted` of the run is called then
   */
  isNoted(order: Order, outcome: UnfulfilledOutcome): boolean;
  /** Whether a storage keeps the order until it is settled, to run it again should this process end. */
  isKept(order: Order): boolean;
  /** The outcome may be settled. */
  concluded(order: Order, decision: Decision, startedAt: number): void;
  /** More became of the steps after that: one has ended late, and was compensated. */
  amended(order: Order, steps: readonly StepResult[]): void;
  /** The run has freed its worker, and has something to do: `resume` it. */
  wantsWorker(order: Order): void;
  /** None of the run's functions runs any more. */
  ended(order: Order): void;
}
