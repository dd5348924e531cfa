import type { Decision, Verdict } from '../../order/decision.ts';
import type { AcceptedOrder } from '../../order/order.ts';
import type { OrderError } from '../../order/order-error.ts';
import type { UnfulfilledOutcome } from '../../order/outcome.ts';
import type { RememberedStep, StepProgress, StepResult } from '../../order/step-result.ts';
import type { OrderMessage } from '../../tracing/messages.ts';

/** The part of an order that its run needs. */
export interface RunOrder {
  readonly userId: string;
  readonly facts: {
    readonly orderId: string;
    readonly userId: string;
    readonly labels: readonly string[];
  };
  /** On the clock of the run. */
  readonly acceptedAt: number;
  /** How many earlier processes may have begun its steps. */
  readonly earlierAttempts: number;
  /** Of an order that is tried again: how often each step was compensated before, by name. */
  readonly tries?: { readonly compensations: Readonly<Record<string, number>> } | undefined;
  /** What its steps have returned that are not run again. */
  readonly remembered?: readonly RememberedStep[] | undefined;
  /** Where its processing is published. */
  readonly trace?: { readonly processing: OrderMessage | undefined } | undefined;
  /** The order as its steps see it, frozen. */
  toOrder(): AcceptedOrder;
}

/** The worker of a run, which calls its functions. */
export interface Worker {
  /** The run has completed. Called last: the worker may begin another run in this call. */
  completed(): void;
  /** The run does not need the worker now; the worker begins another run after this call. */
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

/** Is notified of what happens to steps; the run does not depend on it. */
export interface StepListener<Order> {
  /** A step, or its compensation, has said how far it is. */
  progressed(order: Order, progress: StepProgress): void;
  /** A step has ended, or its compensation has. */
  stepped(order: Order, result: StepResult): void;
  retried(order: Order, retry: Retry): void;
  compensationFailed(order: Order, step: string, verdict: Verdict): void;
  /** A step's `retryIf` has thrown, or has given no boolean. */
  predicateFailed(order: Order, step: string, cause: unknown): void;
  /** The steps hold the order's user for longer than they should. */
  stalled(order: Order, runningMs: number, steps: readonly string[]): void;
}

/** Runs orders, and decides what follows from the results of their steps. */
export interface RunObserver<Order> extends StepListener<Order> {
  /** Runs a function in the async context of the order's caller. */
  inScope(order: Order, work: () => void): void;
  /** Aborts a signal that the host's code listens to. */
  abort(controller: AbortController, reason: OrderError): void;
  /**
   * Keeps what a step has returned.
   *
   * @returns false if no storage keeps the order; else `remembered` of the run is called when it is kept
   */
  remember(order: Order, step: RememberedStep): boolean;
  /** The order does not complete: its steps are aborted and compensated. */
  decidedAgainst(order: Order, holds: boolean): void;
  /** Whether an order that is to hold its user's lane may do so; the processor may be shutting down. */
  mayHold(order: Order): boolean;
  /** The outcome is certain, even if the results of the steps are not. */
  certain(order: Order, outcome: UnfulfilledOutcome): void;
  /**
   * Has the outcome noted, where a storage keeps the order and it is not noted yet.
   *
   * @returns false if the run has to wait for that; `noted` of the run is called then
   */
  isNoted(order: Order, outcome: UnfulfilledOutcome): boolean;
  /** Whether a storage keeps the order until it is settled, to run it again if this process ends. */
  isKept(order: Order): boolean;
  /** The outcome may be settled. */
  concluded(order: Order, decision: Decision, startedAt: number): void;
  /** The results have changed after that: a step has ended late, and was compensated. */
  amended(order: Order, steps: readonly StepResult[]): void;
  /** The run has freed its worker, and has something to do: `resume` it. */
  wantsWorker(order: Order): void;
  /** None of the run's functions runs any more. */
  ended(order: Order): void;
}
