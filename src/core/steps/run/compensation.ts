import type { Verdict } from '../../order/decision.ts';
import type { ExecutionOwner, ExecutionRun } from '../execution/execution-run.ts';
import { StepExecution } from '../execution/step-execution.ts';
import { compensationResult, resultOfCompensated } from '../execution/step-results.ts';

/** The run whose steps are compensated. */
export interface CompensatedRun extends ExecutionRun<StepExecution> {
  readonly hasWorker: boolean;
  /** Asks for a worker; `resume` is called with it. */
  wantWorker(): void;
}

/** Is notified when compensations end. */
export interface CompensationOwner {
  /** Whether the outcome is noted, if it has to be; else `noted` is called when it is. */
  isNoted(): boolean;
  /** A compensation has ended, or has succeeded after its time: the step has another result. */
  reportCompensated(execution: StepExecution, verdict: Verdict | undefined): void;
  /** No compensation is left. */
  compensated(): void;
  /** An aborted function has ended. */
  oneEnded(): void;
}

/** Why a compensation failed for which shutdown did not wait. */
const tooLate: Verdict = {
  code: 'shut_down',
  message: 'The processor shut down before the step was compensated',
};

/**
 * Compensates the steps of an order that does not complete: one after the other, the last one to end first. Where a
 * storage keeps the order, the outcome is noted before the first compensation: if the process ended after that and
 * before the note, the order would run again, and complete for a charge that was refunded.
 */
export class Compensations implements ExecutionOwner<StepExecution> {
  readonly #run: CompensatedRun;
  readonly #owner: CompensationOwner;
  /** Steps that have ended and may have had their effect, in the order in which they ended. */
  readonly #due: StepExecution[] = [];
  #current: StepExecution | undefined = undefined;
  #hasAddedUnbegun = false;
  #isNoting = false;
  /** Another process compensates the steps, those too that end later. */
  #isLeft = false;
  /** All compensations that have begun, given-up ones included. */
  readonly begun: StepExecution[] = [];

  constructor(run: CompensatedRun, owner: CompensationOwner) {
    this.#run = run;
    this.#owner = owner;
  }

  get areDue(): boolean {
    return this.#due.length > 0;
  }

  /** Whether a compensation is under way. */
  get hasCurrent(): boolean {
    return this.#current !== undefined;
  }

  /** No attempt at a step runs, and none will. Called once for each step that has begun. */
  ended(execution: StepExecution): void {
    if (execution.isToCompensate && !this.#isLeft) this.#due.push(execution);
  }

  /** Steps that have not begun in this process may have begun in an earlier one. */
  addUnbegun(unbegun: () => readonly StepExecution[]): void {
    if (this.#hasAddedUnbegun || this.#run.order.earlierAttempts === 0) return;
    this.#hasAddedUnbegun = true;
    for (const execution of unbegun()) {
      if (this.#run.error !== undefined) execution.abort(this.#run.error);
      this.ended(execution);
    }
  }

  /** Starts the next one as soon as there is a worker. */
  goOn(): void {
    if (this.#run.hasWorker) this.startNext();
    else this.#run.wantWorker();
  }

  /** There is a worker. */
  startNext(): void {
    if (this.#mustWaitForNote()) return;
    const step = this.#due.pop();
    const next = step && this.#of(step);
    this.#current = next;
    if (next === undefined) {
      this.#owner.compensated();
      return;
    }
    this.begun.push(next);
    // The order may have been decided in another async context.
    this.#run.inScope(() => next.start());
  }

  /** The outcome is noted. Returns whether compensations were waiting for that. */
  noted(): boolean {
    const wasNoting = this.#isNoting;
    this.#isNoting = false;
    return wasNoting;
  }

  /** The one under way fails, since the processor shuts down. */
  hurry(): void {
    const current = this.#current;
    if (current === undefined) return;
    this.#current = undefined;
    this.#abort(current);
    this.#report(current, tooLate);
    this.goOn();
  }

  /**
   * Fails all compensations that are left, since the processor has shut down.
   *
   * @param isKept - whether the next start runs them
   */
  giveUp(isKept: boolean): void {
    const current = this.#current;
    this.#current = undefined;
    if (current !== undefined) this.#abort(current);
    const due = this.#due.splice(0).reverse();
    this.#isLeft = isKept;
    if (isKept) return;
    if (current !== undefined) this.#report(current, tooLate);
    for (const step of due) this.#report(this.#of(step), tooLate);
  }

  succeeded(compensation: StepExecution): void {
    this.#ended(compensation, undefined);
  }

  failed(compensation: StepExecution, verdict: Verdict): void {
    this.#ended(compensation, verdict);
  }

  /** It has failed again, and its failure has been reported already. */
  stopped(): void {
    this.#owner.oneEnded();
  }

  #of(step: StepExecution): StepExecution {
    return new StepExecution(step.step, this.#run, this, step);
  }

  #abort(compensation: StepExecution): void {
    if (this.#run.error !== undefined) compensation.abort(this.#run.error);
  }

  #mustWaitForNote(): boolean {
    if (this.#isNoting) return true;
    this.#isNoting = this.areDue && !this.#owner.isNoted();
    return this.#isNoting;
  }

  #ended(compensation: StepExecution, verdict: Verdict | undefined): void {
    if (compensation !== this.#current) {
      // Its time was up, and it has failed; if it succeeds after all, the step is compensated.
      if (verdict === undefined && !this.#isLeft) this.#report(compensation, undefined, true);
      this.#owner.oneEnded();
      return;
    }
    this.#report(compensation, verdict);
    this.startNext();
  }

  /** @param isLate - whether its failure has been reported, and its attempts with it */
  #report(compensation: StepExecution, verdict: Verdict | undefined, isLate = false): void {
    const step = compensation.compensated as StepExecution;
    const compensated = this.#run.order.tries?.compensations[step.step.name];
    const counted = isLate ? compensation.attempts : 0;
    const earlier = (step.result?.compensation?.attempts ?? 0) - counted;
    const result = compensationResult(compensation, verdict, earlier, compensated);
    step.result = resultOfCompensated(step, result);
    this.#owner.reportCompensated(step, verdict);
  }
}
