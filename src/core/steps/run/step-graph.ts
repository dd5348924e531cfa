import { noPostings } from '../../order/order.ts';
import type { StepResult, StepValues } from '../../order/step-result.ts';
import type { ExecutionOwner, ExecutionRun } from '../execution/execution-run.ts';
import { isNeeded } from '../execution/step-condition.ts';
import { StepExecution } from '../execution/step-execution.ts';
import { resultsOf, valuesBefore, valuesOf } from '../execution/step-results.ts';
import type { PlannedStep, StepPlan } from '../step-plan.ts';

/** The run to which the steps belong. */
export interface GraphRun extends ExecutionRun<StepExecution>, ExecutionOwner<StepExecution> {
  /** Whether steps may start: the order is not decided. */
  readonly mayStart: boolean;
}

/** The steps of one order: which have begun, and which come next. */
export class StepGraph {
  readonly #plan: StepPlan;
  readonly #run: GraphRun;
  /** By index; `undefined` for a step that has not begun. */
  readonly #executions: (StepExecution | undefined)[];
  /** All steps before this index have been started, except steps that come after others. */
  #at = 0;
  /** How many steps have not finished. */
  #left: number;

  constructor(plan: StepPlan, run: GraphRun) {
    const { length } = plan.steps;
    this.#plan = plan;
    this.#run = run;
    this.#left = length;
    this.#executions = new Array(length).fill(undefined);
  }

  /** Whether all steps have finished. */
  get isDone(): boolean {
    return this.#left === 0;
  }

  /** The executions that have begun, or wait to, in declaration order. */
  get executions(): StepExecution[] {
    return this.#executions.filter((execution) => execution !== undefined);
  }

  /** Starts all steps that come after no other, and have not been started. */
  start(): void {
    const { steps } = this.#plan;
    while (this.#at < steps.length && this.#run.mayStart) {
      const step = steps[this.#at] as PlannedStep;
      this.#at += 1;
      if (step.needs === 0) this.#begin(this.#executionOf(step));
    }
  }

  /** A step has finished. */
  finish(): void {
    this.#left -= 1;
  }

  /** Starts a step, unless the order does not need it. */
  #begin(execution: StepExecution): void {
    const { step } = execution;
    if (this.#recall(execution)) {
      execution.result = Object.freeze({ ...step.skipped, status: 'ok' });
      this.finish();
      this.startAfter(execution);
      return;
    }
    const answer = step.when === undefined || isNeeded(step, this.#run.accepted);
    // It may have canceled the order.
    if (execution.isOver) return;
    if (answer === true) {
      execution.start();
      return;
    }
    execution.skip();
    if (answer !== false) {
      this.#run.failed(execution, answer);
      return;
    }
    execution.result = step.skipped;
    this.finish();
    this.startAfter(execution);
  }

  /** Has a step finished by what an earlier run has remembered of it, if it has. */
  #recall(execution: StepExecution): boolean {
    const { step } = execution;
    const known = this.#run.order.remembered?.find((each) => each.step === step.name);
    if (known === undefined) return false;
    execution.recall(known.result);
    const { amount, postings = noPostings } = known;
    if (amount !== undefined) this.#run.setAmount(execution, { amount, postings });
    return true;
  }

  /** Starts the steps that come directly after one that has finished, and after no other. */
  startAfter({ step }: StepExecution): void {
    if (step.next.length === 0) return;
    const next = step.next.map((at) => this.#executionOf(this.#plan.steps[at] as PlannedStep));
    for (const execution of next) execution.needs -= 1;
    // One of them may finish at once and start another.
    for (const each of next) if (each.isReady && this.#run.mayStart) this.#begin(each);
  }

  /** Steps with a compensation that have not begun in this process; steps that come after others are last. */
  unbegun(): StepExecution[] {
    const { accepted } = this.#run;
    const unbegun = this.#plan.steps
      .filter((step) => step.compensate !== undefined && isNeeded(step, accepted) !== false)
      .sort((one, other) => one.before.length - other.before.length)
      .map((step) => this.#executionOf(step))
      .filter(({ attempts, isFinished }) => attempts === 0 && !isFinished);
    for (const execution of unbegun) this.#recall(execution);
    return unbegun;
  }

  /** The results of all steps as of now, in declaration order. */
  results(): readonly StepResult[] {
    return resultsOf(this.#plan, this.#executions);
  }

  /** What the steps have returned that have finished, by name. */
  values(): StepValues {
    return valuesOf(this.#plan, this.#executions);
  }

  /** What the steps before a step have returned. */
  valuesBefore(step: PlannedStep): Readonly<Record<string, unknown>> {
    return valuesBefore(step, this.#executions);
  }

  #executionOf(step: PlannedStep): StepExecution {
    const known = this.#executions[step.at];
    if (known !== undefined) return known;
    const execution = new StepExecution(step, this.#run, this.#run);
    this.#executions[step.at] = execution;
    return execution;
  }
}
