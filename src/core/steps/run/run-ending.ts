import type { Verdict } from '../../order/decision.ts';
import type { OrderError } from '../../order/order-error.ts';
import type { UnfulfilledOutcome } from '../../order/outcome.ts';
import type { StepResult } from '../../order/step-result.ts';
import type { StepExecution } from '../execution/step-execution.ts';
import { resultOf } from '../execution/step-results.ts';
import { type CompensatedRun, type CompensationOwner, Compensations } from './compensation.ts';
import type { RunOrder, Worker } from './run-observer.ts';
import { moveRun, type RunPhase } from './run-phase.ts';
import type { RunSettings } from './run-settings.ts';
import type { RunWatch } from './run-watch.ts';
import type { StepGraph } from './step-graph.ts';

/** The run that is decided against. */
export interface EndingRun<Order extends RunOrder> extends CompensatedRun {
  readonly order: Order;
  readonly settings: RunSettings<Order>;
  readonly graph: StepGraph;
  readonly startedAt: number;
  readonly phase: RunPhase;
  readonly watch: RunWatch;
  /** Takes the worker from the run; `free` it last. */
  leaveWorker(): Worker | undefined;
  /** Why the order does not complete, as of now. */
  errorOf(
    verdict: Verdict,
    outcome: 'failed' | 'canceled',
    steps: readonly StepResult[],
  ): OrderError;
  /** Ends the timers: nothing is left to do except what runs. */
  rest(): void;
  /** None of its functions runs. */
  end(): void;
}

/**
 * The end of a run whose order does not complete: running steps are aborted, steps that may have had their effect are
 * compensated, and then the outcome is settled.
 */
export class RunEnding<Order extends RunOrder> implements CompensationOwner {
  readonly outcome: 'failed' | 'canceled';
  /** The error as of the decision, for signals and compensations. */
  readonly error: OrderError;
  /** The outcome of which callers were notified before the order was settled. */
  notified: UnfulfilledOutcome | undefined = undefined;
  readonly #run: EndingRun<Order>;
  readonly #verdict: Verdict;
  readonly #compensations: Compensations;
  #isConcluded = false;
  /** The results of its steps have changed since it was concluded. */
  #isAmended = false;

  constructor(run: EndingRun<Order>, outcome: 'failed' | 'canceled', verdict: Verdict) {
    this.#run = run;
    this.outcome = outcome;
    this.#verdict = verdict;
    this.error = this.#errorOf(run.graph.results());
    this.#compensations = new Compensations(run, this);
    const over = run.graph.executions.filter(({ isOver }) => isOver);
    for (const each of over.sort((one, other) => one.endedAs - other.endedAs)) this.ended(each);
  }

  /** The executions of compensations that have begun. */
  get executions(): readonly StepExecution[] {
    return this.#compensations.begun;
  }

  /** No attempt at a step runs, and none will. */
  ended(execution: StepExecution): void {
    this.#compensations.ended(execution);
  }

  /** Aborts what runs. */
  abortAll(): void {
    for (const execution of this.#run.graph.executions) {
      if (execution.isOver) continue;
      execution.abort(this.error);
      if (!execution.isOver || execution.attempts === 0) continue;
      this.ended(execution);
      // It may have finished, and have waited for the storage.
      this.#report(execution, resultOf(execution, execution.isFinished ? 'ok' : 'canceled'));
    }
  }

  /** Notifies callers if no result of a step is open, or if they need not wait for the results. */
  notifyIfCertain(): void {
    const isDue = this.#verdict.isTimeUp === true || this.outcome === 'canceled';
    if (isDue || !this.#mayCompensate()) this.notify();
  }

  notify(): void {
    // Whether an order fails that holds its lane, its release says.
    if (this.notified !== undefined || this.#holds) return;
    this.notified = { status: this.outcome, error: this.error };
    this.#observer.certain(this.#run.order, this.notified);
  }

  /** Nothing runs, or the functions that run are not waited for. */
  proceed(): void {
    this.#addUnbegun();
    if (!this.#compensations.areDue) {
      this.#conclude();
      return;
    }
    moveRun(this.#run, 'compensating');
    this.#compensations.goOn();
  }

  /** Aborted functions go on, and are not waited for any more. */
  stalled(): void {
    this.#run.watch.endStall();
    const worker = this.#run.leaveWorker();
    this.proceed();
    worker?.free();
  }

  /** There is a worker again. */
  resume(): void {
    if (this.#run.phase === 'compensating' && !this.#compensations.hasCurrent) {
      this.#compensations.startNext();
    }
  }

  /** The storage has noted the outcome. */
  noted(): void {
    if (!this.#compensations.noted() || this.#run.phase !== 'compensating') return;
    this.#run.clock.read();
    this.#compensations.goOn();
  }

  /** The processor shuts down: the compensations that are left have a little time. */
  hurry(): void {
    if (this.#run.phase !== 'compensating') return;
    this.#run.clock.read();
    this.#compensations.hurry();
  }

  /** @param isKept - whether the order stays in the storage, to be compensated after the next start */
  conclude(isKept: boolean): void {
    this.#run.clock.read();
    if (!isKept) this.#addUnbegun();
    this.#compensations.giveUp(isKept);
    this.#conclude();
  }

  /** Another process ends the order. */
  abandon(): void {
    const run = this.#run;
    this.#compensations.giveUp(true);
    this.#isConcluded = true;
    run.rest();
    moveTo(run, 'concluded');
    if (run.running === 0) run.end();
    else {
      run.watch.beginStall();
      run.leaveWorker()?.free();
    }
  }

  /** An aborted step has ended. */
  stopped(execution: StepExecution): void {
    this.ended(execution);
    if (execution.result === undefined) this.#report(execution, resultOf(execution, 'canceled'));
    this.oneEnded();
  }

  oneEnded(): void {
    const { phase, running } = this.#run;
    if (phase === 'ending' && running === 0) this.proceed();
    else if (phase !== 'concluded') return;
    // The step went on in spite of its signal, and the order was settled without it.
    else if (this.#compensations.areDue) this.proceed();
    else {
      this.#amend();
      if (running > 0) return;
      this.#run.rest();
      this.#run.end();
    }
  }

  isNoted(): boolean {
    const { outcome: status, error } = this;
    return this.#observer.isNoted(this.#run.order, { status, error });
  }

  reportCompensated(execution: StepExecution, verdict: Verdict | undefined): void {
    const { order } = this.#run;
    this.#observer.stepped(order, execution.result as StepResult);
    this.#isAmended ||= this.#isConcluded;
    if (verdict === undefined) return;
    this.#observer.compensationFailed(order, execution.step.name, verdict);
  }

  compensated(): void {
    const run = this.#run;
    if (run.running === 0 || run.watch.isStalled) this.#conclude();
    else {
      // The time of a compensation was up, and its signal has just aborted.
      moveRun(run, 'ending');
      run.watch.beginStall();
    }
  }

  get #observer(): RunSettings<Order>['observer'] {
    return this.#run.settings.observer;
  }

  get #holds(): boolean {
    return this.#verdict.holds === true && this.#observer.mayHold(this.#run.order);
  }

  #addUnbegun(): void {
    this.#compensations.addUnbegun(() => this.#run.graph.unbegun());
  }

  /** Whether it is still open which steps will be compensated. */
  #mayCompensate(): boolean {
    const { order, settings, graph } = this.#run;
    if (this.#compensations.areDue) return true;
    if (order.earlierAttempts > 0 && settings.hasCompensations) return true;
    return [...graph.executions, ...this.executions].some(isRunningToCompensate);
  }

  #conclude(): void {
    const run = this.#run;
    run.rest();
    const isHeld = this.#isHeld();
    moveTo(run, isHeld ? 'ending' : 'concluded');
    const worker = run.running > 0 ? run.leaveWorker() : undefined;
    if (run.running > 0) run.watch.raiseStalled();
    if (isHeld) this.notify();
    else {
      this.#settle();
      if (run.running === 0) run.end();
    }
    worker?.free();
  }

  #settle(): void {
    if (this.#isConcluded) {
      this.#amend();
      return;
    }
    this.#isConcluded = true;
    const { order, graph, startedAt } = this.#run;
    const steps = graph.results();
    const decision = {
      outcome: this.outcome,
      error: this.#errorOf(steps),
      steps,
      results: graph.values(),
    };
    this.#observer.concluded(order, { ...decision, isCompensable: false }, startedAt);
  }

  /** The record is to have what its steps came to since. */
  #amend(): void {
    if (!this.#isAmended) return;
    this.#isAmended = false;
    this.#observer.amended(this.#run.order, this.#run.graph.results());
  }

  /**
   * Whether the order stays unsettled in its storage until a step has ended that may have to be compensated: else
   * nothing would compensate it if the process ended meanwhile.
   */
  #isHeld(): boolean {
    const { order, graph, running } = this.#run;
    // It may run again: not before its functions have ended.
    if (this.#holds) return running > 0;
    return this.#observer.isKept(order) && graph.executions.some(isRunningToCompensate);
  }

  #report(execution: StepExecution, result: StepResult): void {
    execution.result = result;
    this.#observer.stepped(this.#run.order, result);
  }

  #errorOf(steps: readonly StepResult[]): OrderError {
    return this.#run.errorOf(this.#verdict, this.outcome, steps);
  }
}

function isRunningToCompensate({ isRunning, step }: StepExecution): boolean {
  return isRunning && step.compensate !== undefined;
}

/** Keeps the phase if it is this one already: a concluded run may conclude again after a late compensation. */
function moveTo(run: { readonly phase: RunPhase }, phase: RunPhase): void {
  if (run.phase !== phase) moveRun(run, phase);
}
