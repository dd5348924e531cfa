import type { StepResult } from '../../order/step-result.ts';
import type { Limits, PlannedStep } from '../step-plan.ts';
import { type ExecutionState, moveExecution } from './execution-state.ts';
import type { TracedAttempt } from './traced-attempt.ts';

/** What is known of the execution of a step, or of its compensation. */
export class ExecutionFacts {
  readonly step: PlannedStep;
  /** Of a compensation: the execution that it compensates. */
  readonly compensated: ExecutionFacts | undefined;
  readonly state: ExecutionState = 'idle';
  attempts = 0;
  /** When its first attempt began, on the processor's clock. */
  begunAt = 0;
  durationMs = 0;
  /** What the function has returned, once it has finished. */
  value: unknown = undefined;
  isFinished = false;
  /** What it has returned cannot be kept; not even a field in any other case. */
  declare isUnfit: true | undefined;
  /** The last attempt that was published; not even a field where there is none. */
  declare traced: TracedAttempt | undefined;
  /** An attempt, in this process or an earlier one, may have had its effect without finishing. */
  mayHaveActed: boolean;
  /** How many steps must finish before it starts. */
  needs: number;
  /** Its place in the order in which the order's executions ended, from 1 up. */
  endedAs = 0;
  /** The result of the step, if it is known. */
  result: StepResult | undefined = undefined;

  constructor(step: PlannedStep, mayHaveActed: boolean, compensated: ExecutionFacts | undefined) {
    this.step = step;
    this.compensated = compensated;
    this.needs = compensated === undefined ? step.needs : 0;
    this.mayHaveActed = mayHaveActed;
  }

  /** It has ended in an earlier run. */
  restore(result: StepResult, isFinished: boolean, value: unknown): void {
    this.attempts = result.attempts;
    this.durationMs = result.durationMs;
    this.isFinished = isFinished;
    this.value = value;
    this.result = result;
    this.mayHaveActed = true;
    moveExecution(this, 'over');
  }

  /** Whether it may start and has not. */
  get isReady(): boolean {
    return this.state === 'idle' && this.needs === 0;
  }

  get isOver(): boolean {
    return this.state === 'over';
  }

  /** Whether its function runs, even if its signal has aborted. */
  get isRunning(): boolean {
    return this.state === 'running' || this.state === 'abandoned';
  }

  /** Whether it has begun, or waits to, and has not ended. */
  get isUnended(): boolean {
    return this.state !== 'over' && this.needs === 0;
  }

  /** Whether it waits, and needs no worker meanwhile. */
  get isPaused(): boolean {
    const { state } = this;
    return state === 'paused' || state === 'due' || state === 'remembering';
  }

  /** Whether it is over, and is to be compensated if its order does not complete. */
  get isToCompensate(): boolean {
    return (
      this.isOver && this.step.compensate !== undefined && (this.isFinished || this.mayHaveActed)
    );
  }

  get limits(): Limits {
    return this.compensated === undefined ? this.step.limits : this.step.compensation;
  }

  /** For messages. */
  get title(): string {
    return `${this.compensated === undefined ? 'Step' : 'The compensation of step'} \`${this.step.name}\``;
  }
}
