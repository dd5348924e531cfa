import type { Job } from '../lifecycle/job.ts';
import type { Decision, Verdict } from '../order/decision.ts';
import type { OrderError } from '../order/order-error.ts';
import type { UnfulfilledOutcome } from '../order/outcome.ts';
import type { StepResult } from '../order/step-result.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Task } from './step-execution.ts';
import type { StepPlan } from './step-plan.ts';
import type { StepBoard } from './step-results.ts';
import type { Run } from './step-run.ts';

/**
 * Who has orders run, and hears of them: `concluded` when the outcome may be settled, `ended` when none
 * of a run's functions runs any more. Before the first it may tell what its caller need not wait for.
 */
export interface RunObserver {
  readonly clock: Clock;
  readonly plan: StepPlan;
  readonly timeoutMs: number | undefined;
  readonly stalledAfterMs: number;
  /** Aborts a signal that the host's code listens to. */
  abort(controller: AbortController, reason: OrderError): void;
  /** Whether any step can be compensated. */
  readonly hasCompensations: boolean;
  stepped(job: Job, result: StepResult): void;
  retried(run: Run, task: Task, verdict: Verdict, delayMs: number): void;
  /** The outcome is certain, though not what will have become of the steps. */
  told(run: Run, outcome: UnfulfilledOutcome): void;
  /**
   * Has the outcome noted, where the storage keeps the order and it is not noted yet, and calls `noted` of the run then.
   *
   * @returns false if the run is to wait for that
   */
  isNoted(run: Run, outcome: UnfulfilledOutcome): boolean;
  concluded(board: StepBoard, decision: Decision): void;
  /** More became of the steps after that: something went on regardless, and was compensated. */
  amended(run: Run, steps: readonly StepResult[]): void;
  compensationFailed(run: Run, step: string, verdict: Verdict): void;
  predicateFailed(job: Job, step: string, cause: unknown): void;
  stalled(run: Run): void;
  /** The run has given its worker back and now has something to do; `resume` it. */
  wantsWorker(run: Run): void;
  ended(run: Run): void;
}
