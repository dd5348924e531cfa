import type { OrderError } from './errors.ts';
import type { StepResult, UnfulfilledOutcome } from './outcome.ts';
import type { Run } from './pipeline.ts';
import type { Task, Verdict } from './task.ts';

/** How an order's steps ended; with an error the order has failed or was canceled. */
export interface Decision {
  readonly outcome: 'completed' | 'failed' | 'canceled';
  readonly error: OrderError | undefined;
  readonly steps: readonly StepResult[];
  /** If the storage refuses the amount, the order has not failed yet: its steps are compensated first. */
  readonly isCompensable: boolean;
  /** The storage is only asked whether it takes the amount, before the steps are run. */
  readonly isTrial?: boolean;
}

/**
 * What a run tells: `concluded` when its outcome may be settled, `ended` when none of its functions
 * runs any more. Before the first it may tell what its caller need not wait for.
 */
export interface RunListener {
  stepped(run: Run, result: StepResult): void;
  retried(run: Run, task: Task, verdict: Verdict, delayMs: number): void;
  /** The outcome is certain, though not what will have become of the steps. */
  told(run: Run, outcome: UnfulfilledOutcome): void;
  concluded(run: Run, decision: Decision): void;
  /** More became of the steps after that: something went on regardless, and was compensated. */
  amended(run: Run, steps: readonly StepResult[]): void;
  compensationFailed(run: Run, step: string, verdict: Verdict): void;
  predicateFailed(run: Run, task: Task, cause: unknown): void;
  stalled(run: Run): void;
  /** The run has given its worker back and now has something to do; `resume` it. */
  wantsWorker(run: Run): void;
  ended(run: Run): void;
}
