import type { Verdict } from '../../order/decision.ts';
import type { OrderError } from '../../order/order-error.ts';
import type { StepResult, StepValues } from '../../order/step-result.ts';
import type { ExecutionOwner } from '../execution/execution-run.ts';
import { StepExecution } from '../execution/step-execution.ts';
import type { PlannedStep } from '../step-plan.ts';
import { type CompensationOwner, Compensations } from './compensation.ts';
import { RunBase } from './run-base.ts';
import type { RunOrder, Worker } from './run-observer.ts';
import type { RunSettings } from './run-settings.ts';

/** What is known of the settled order. */
export interface SettledSteps {
  readonly steps: readonly StepResult[];
  readonly results: StepValues;
  /** Why the order failed or was canceled. */
  readonly error: OrderError;
}

/** No worker of the pool: the run has one as long as it goes on. */
const ownWorker: Worker = { completed() {}, free() {} };

/** Of steps that have ended in an earlier run. */
const noOwner: ExecutionOwner<StepExecution> = { succeeded() {}, failed() {}, stopped() {} };

/** Whether a step had its effect although its order failed, or may have had it: its compensation has failed. */
export function isUncompensated({ compensation }: StepResult): boolean {
  return compensation?.status === 'error';
}

/** Runs compensations of a settled order once more that have failed: the last step first, one after the other. */
export class CompensationRun<Order extends RunOrder>
  extends RunBase<Order>
  implements CompensationOwner
{
  readonly phase = 'compensating';
  /** Resolves with the results of all steps when no compensation is left. */
  readonly done: Promise<readonly StepResult[]>;
  /** Resolves when none of its functions runs either; with the results if a compensation has succeeded since `done`. */
  readonly ended: Promise<readonly StepResult[] | undefined>;
  readonly error: OrderError;
  readonly #settled: SettledSteps;
  readonly #executions: readonly StepExecution[];
  readonly #compensations: Compensations;
  readonly #done = Promise.withResolvers<readonly StepResult[]>();
  readonly #ended = Promise.withResolvers<readonly StepResult[] | undefined>();
  #isDone = false;
  #isAmended = false;

  /** @throws TypeError if a step is missing by now, or its `compensate` */
  constructor(order: Order, settings: RunSettings<Order>, settled: SettledSteps) {
    super(order, settings, ownWorker);
    this.done = this.#done.promise;
    this.ended = this.#ended.promise;
    this.error = settled.error;
    this.#settled = settled;
    this.#executions = settled.steps.filter(isUncompensated).map((each) => this.#restored(each));
    this.#compensations = new Compensations(this, this);
  }

  /** To be called once. */
  start(): void {
    this.watch.beginStall();
    const inOrder = [...this.#executions].sort(
      (one, other) => one.step.before.length - other.step.before.length,
    );
    for (const execution of inOrder) this.#compensations.ended(execution);
    this.#compensations.goOn();
  }

  /** The processor has shut down: what is left fails. */
  giveUp(): void {
    this.clock.read();
    this.#compensations.giveUp(false);
    this.compensated();
    this.unwatch();
  }

  /** The limits are those of compensations. */
  timeOut(): void {}

  stall(): void {
    this.watch.raiseStalled();
  }

  resultsBefore({ before }: PlannedStep): StepValues {
    const { results } = this.#settled;
    const values = Object.create(null) as Record<string, unknown>;
    for (const at of before) {
      const { name } = this.settings.plan.steps[at] as PlannedStep;
      if (Object.hasOwn(results, name)) values[name] = results[name];
    }
    return Object.freeze(values);
  }

  isNoted(): boolean {
    return true;
  }

  reportCompensated(execution: StepExecution, verdict: Verdict | undefined): void {
    const { observer } = this.settings;
    observer.stepped(this.order, execution.result as StepResult);
    this.#isAmended = this.#isDone;
    if (verdict === undefined) return;
    observer.compensationFailed(this.order, execution.step.name, verdict);
  }

  compensated(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#done.resolve(this.#results());
    this.oneEnded();
  }

  oneEnded(): void {
    if (!this.#isDone || this.running > 0) return;
    this.rest();
    this.#ended.resolve(this.#isAmended ? this.#results() : undefined);
  }

  get executions(): readonly StepExecution[] {
    return this.#compensations.begun;
  }

  #results(): readonly StepResult[] {
    const now = new Map(this.#executions.map(({ step, result }) => [step.name, result]));
    return Object.freeze(this.#settled.steps.map((each) => now.get(each.name) ?? each));
  }

  #restored(result: StepResult): StepExecution {
    const { name, status } = result;
    const step = this.settings.plan.steps.find((each) => each.name === name);
    if (step?.compensate === undefined) {
      throw new TypeError(`Expected \`steps\` to have a step \`${name}\` with \`compensate\``);
    }
    const execution = new StepExecution(step, this, noOwner);
    const { results } = this.#settled;
    const value = Object.hasOwn(results, name) ? results[name] : undefined;
    // One that has not finished has kept its status.
    execution.restore(result, status === 'ok', status === 'ok' ? value : undefined);
    return execution;
  }
}
