import type { Linked } from '../../collections/linked-list.ts';
import type { Verdict } from '../../order/decision.ts';
import { completed } from '../../order/decision.ts';
import type { OrderError } from '../../order/order-error.ts';
import type { UnfulfilledOutcome } from '../../order/outcome.ts';
import { noResults } from '../../order/step-result.ts';
import type { Cancellation } from '../../runtime/abort.ts';
import { type Awaitable, asPromise, isThenable } from '../../runtime/awaitable.ts';
import type { StepExecution } from '../execution/step-execution.ts';
import { resultOf, resultOfFinished } from '../execution/step-results.ts';
import type { PlannedStep } from '../step-plan.ts';
import { RunBase } from './run-base.ts';
import { type EndingRun, RunEnding } from './run-ending.ts';
import type { RunOrder, Worker } from './run-observer.ts';
import { moveRun, type RunPhase } from './run-phase.ts';
import type { RunSettings } from './run-settings.ts';
import { type GraphRun, StepGraph } from './step-graph.ts';

/**
 * The steps of one order. It is *decided* when all of them have finished, the first one fails, the time is up or it is
 * canceled. If it does not complete, running steps are aborted, and steps that may have had their effect are
 * compensated, the last one to end first. Then it is *concluded*, and settled. It has *ended* when none of its
 * functions runs: the user's next order waits for that (invariant 1). Its phases stand in `run-phase.ts`.
 */
export class StepRun<Order extends RunOrder = RunOrder>
  extends RunBase<Order>
  implements GraphRun, EndingRun<Order>, Linked<StepRun<Order>>
{
  readonly graph: StepGraph;
  readonly phase: RunPhase = 'running';
  // The links of the list of all runs.
  prev: StepRun<Order> | undefined = undefined;
  next: StepRun<Order> | undefined = undefined;
  /** Set when it is decided that the order does not complete. */
  #ending: RunEnding<Order> | undefined = undefined;
  /** A cancellation that came while the storage was asked. */
  #cancellation: Cancellation | undefined = undefined;

  constructor(order: Order, settings: RunSettings<Order>, worker: Worker) {
    super(order, settings, worker);
    this.graph = new StepGraph(settings.plan, this);
  }

  get mayStart(): boolean {
    return this.phase === 'running';
  }

  get isDecided(): boolean {
    return this.phase !== 'running' && this.phase !== 'asking';
  }

  get hasEnded(): boolean {
    return this.phase === 'concluded' && this.running === 0;
  }

  /** Why the order does not complete, once that is decided. */
  get error(): OrderError | undefined {
    return this.#ending?.error;
  }

  /** The outcome of which callers were notified before the order was settled. */
  get notified(): UnfulfilledOutcome | undefined {
    return this.#ending?.notified;
  }

  /**
   * To be called in the async context of the order's caller.
   *
   * @param refusal - why the order cannot succeed, if that is certain before its steps begin
   */
  start(refusal: Awaitable<Verdict | undefined>): void {
    if (isThenable(refusal)) {
      asPromise(refusal).then((verdict) => {
        this.clock.read();
        this.#begin(verdict);
      });
    } else this.#begin(refusal);
    if (this.phase !== 'concluded') this.watch.begin();
  }

  /** There is a worker again; false if the run needs none any more. */
  resume(worker: Worker): boolean {
    if (!this.wantsWorker) return false;
    this.wantsWorker = false;
    this.worker = worker;
    this.clock.read();
    if (this.phase === 'running' && this.settings.deadline === undefined) this.watch.beginStall();
    this.inScope(() => this.#resume());
    return true;
  }

  /** Decides the order from outside: it is canceled. */
  cancel(cancellation: Cancellation): void {
    this.clock.read();
    if (this.phase === 'asking') this.#cancellation ??= cancellation;
    else this.#decideAgainst('canceled', { code: 'canceled', ...cancellation });
  }

  /** The storage refused the amount, maybe after the steps completed; compensate them. */
  refused({ code, message, cause }: OrderError): void {
    moveRun(this, 'ending');
    this.clock.read();
    this.#ending = new RunEnding<Order>(this, 'failed', { code, message, cause });
    this.watch.begin();
    this.#ending.proceed();
  }

  /** The storage has taken the amount although the balance seemed too low: an earlier call had applied it. */
  admitted(): void {
    moveRun(this, 'running');
    this.clock.read();
    if (this.#cancellation !== undefined) {
      this.cancel(this.#cancellation);
      return;
    }
    this.watch.begin();
    if (this.phase !== 'running') return;
    if (this.hasWorker) this.inScope(() => this.#startAll());
    else this.wantWorker();
  }

  /** The storage has noted the outcome. */
  noted(): void {
    this.#ending?.noted();
  }

  /** The processor shuts down: a compensation under way is given up, and the ones that are left have a little time. */
  hurry(): void {
    if (this.phase === 'ending') this.stall();
    this.#ending?.hurry();
  }

  /**
   * The processor shuts down and waits no longer: concludes a run that is decided against.
   *
   * @param isKept - whether the order stays in the storage, to be compensated after the next start
   */
  conclude(isKept: boolean): void {
    this.#ending?.conclude(isKept);
  }

  /** The order does not end in this processor any more: running functions are aborted, and no step is compensated. */
  abandon(cancellation: Cancellation): void {
    this.clock.read();
    if (this.phase === 'running') {
      moveRun(this, 'ending');
      this.#ending = new RunEnding<Order>(this, 'canceled', { code: 'canceled', ...cancellation });
      this.#ending.abortAll();
      this.abortSignal(this.#ending.error);
    }
    this.#ending?.abandon();
  }

  /** The time of the order is up. */
  timeOut(timeoutMs: number): void {
    this.inScope(() => {
      this.clock.read();
      const message = `The order was not done within ${timeoutMs} ms`;
      const { holds } = this.settings.plan;
      this.#decideAgainst('failed', { code: 'timeout', message, isTimeUp: true, holds });
      // It may have failed before, with compensations under way: callers are notified no later than this.
      this.#ending?.notify();
    });
  }

  /** It holds its user for longer than it should. */
  stall(): void {
    this.inScope(() => {
      this.clock.read();
      // Read before the event: if a listener cancels the run, it gets time to end.
      const ending = this.phase === 'ending' ? this.#ending : undefined;
      this.watch.raiseStalled();
      ending?.stalled();
    });
  }

  // For executions and their compensations.

  resultsBefore(step: PlannedStep): Readonly<Record<string, unknown>> {
    return this.graph.valuesBefore(step);
  }

  // The ends of executions.

  succeeded(execution: StepExecution): void {
    if (this.phase !== 'running') {
      this.stopped(execution);
      return;
    }
    this.graph.finish();
    execution.result = resultOfFinished(execution);
    this.settings.observer.stepped(this.order, execution.result);
    // A listener may have canceled it.
    if (this.phase !== 'running') return;
    this.graph.startAfter(execution);
    this.#goOn();
  }

  failed(execution: StepExecution, verdict: Verdict): void {
    if (this.phase !== 'running') return;
    execution.result = resultOf(execution, 'error', verdict.code);
    this.settings.observer.stepped(this.order, execution.result);
    this.#decideAgainst('failed', execution.step.holds ? { ...verdict, holds: true } : verdict);
  }

  stopped(execution: StepExecution): void {
    this.#ending?.stopped(execution);
  }

  end(): void {
    this.settings.observer.ended(this.order);
    this.leaveWorker()?.free();
  }

  #begin(refusal: Verdict | undefined): void {
    if (refusal === undefined) this.#startAll();
    else if (!refusal.isForStorage) this.#decideAgainst(refusal.outcome ?? 'failed', refusal);
    else if (this.phase === 'running') this.#askStorage();
  }

  /** Only the storage can decide the order until it answers, as with a settlement. */
  #askStorage(): void {
    moveRun(this, 'asking');
    this.endStall();
    const decision = { ...completed(this.graph.results(), noResults, true), isTrial: true };
    this.settings.observer.concluded(this.order, decision, this.startedAt);
    // The storage may answer later, and the run needs no worker for that.
    if (this.phase === 'asking') this.leaveWorker()?.free();
  }

  #startAll(): void {
    this.graph.start();
    this.isStarting = false;
    this.#goOn();
  }

  #resume(): void {
    this.isStarting = true;
    for (const each of this.executions) if (each.state === 'due') each.start();
    // A due execution may have canceled the order, which frees the worker.
    if (this.hasWorker) this.#ending?.resume();
    // If the storage was asked first, no step has been started.
    this.#startAll();
  }

  /** Called when a function has ended, after the steps behind it have been started. */
  #goOn(): void {
    if (this.graph.isDone && this.phase === 'running') this.#complete();
    else this.releaseIfPaused();
  }

  #complete(): void {
    moveRun(this, 'concluded');
    this.rest();
    const { observer, hasCompensations } = this.settings;
    const { graph, finalAmount } = this;
    const final = finalAmount?.get();
    const decision = completed(graph.results(), graph.values(), hasCompensations, final);
    observer.concluded(this.order, decision, this.startedAt);
    // False if the storage has refused the amount in this call.
    if (!this.hasEnded) return;
    observer.ended(this.order);
    this.leaveWorker()?.completed();
  }

  /** The one place in which a run is decided against. */
  #decideAgainst(outcome: 'failed' | 'canceled', verdict: Verdict): void {
    if (this.phase !== 'running') return;
    moveRun(this, 'ending');
    this.endStall();
    const ending = new RunEnding<Order>(this, outcome, verdict);
    this.#ending = ending;
    this.settings.observer.decidedAgainst(this.order, verdict.holds === true);
    ending.abortAll();
    this.abortSignal(ending.error);
    ending.notifyIfCertain();
    if (this.running === 0) ending.proceed();
    else {
      this.watch.beginStall();
      if (this.watch.isStalled) this.leaveWorker()?.free();
    }
  }

  get executions(): readonly StepExecution[] {
    return [...this.graph.executions, ...(this.#ending?.executions ?? [])];
  }
}
