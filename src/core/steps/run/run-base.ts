import type { FinalMoney, Verdict } from '../../order/decision.ts';
import { type AcceptedOrder, noPostings } from '../../order/order.ts';
import { OrderError } from '../../order/order-error.ts';
import type { RememberedStep, StepProgress, StepResult } from '../../order/step-result.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { TracedProcessor } from '../../tracing/operation.ts';
import type { ExecutionFacts } from '../execution/execution-facts.ts';
import type { StepExecution } from '../execution/step-execution.ts';
import type { Limited, TimeLimit } from '../limits/time-limit.ts';
import { FinalAmount } from './final-amount.ts';
import type { RunOrder, Worker } from './run-observer.ts';
import type { RunPhase } from './run-phase.ts';
import type { RunSettings } from './run-settings.ts';
import { RunWatch } from './run-watch.ts';

/** What calls the functions of an order: with the order, in its async context, by a worker. */
export abstract class RunBase<Order extends RunOrder> {
  readonly order: Order;
  readonly settings: RunSettings<Order>;
  /** The order as its steps see it. */
  readonly accepted: AcceptedOrder;
  readonly startedAt: number;
  /** How many functions run, aborted ones included. */
  running = 0;
  /** How many executions are over. */
  over = 0;
  /** The worker that calls functions; `undefined` in a pause, and while only aborted functions run. */
  worker: Worker | undefined;
  /** What one of its steps said last of how far it is; not even a field before one does. */
  declare progress: StepProgress | undefined;
  /** What its steps say is settled; not even a field before one does. */
  declare finalAmount: FinalAmount | undefined;
  /** It has asked for a worker. */
  protected wantsWorker = false;

  #controller: AbortController | undefined = undefined;
  /** Several steps are being started, and not all have been. */
  protected isStarting = true;
  #hasPaused = false;
  #watch: RunWatch | undefined = undefined;

  constructor(order: Order, settings: RunSettings<Order>, worker: Worker) {
    this.order = order;
    this.settings = settings;
    this.accepted = order.toOrder();
    this.startedAt = settings.clock.read();
    this.worker = worker;
  }

  /** Why the order does not complete, once that is decided. */
  abstract get error(): OrderError | undefined;

  abstract readonly phase: RunPhase;

  /** The executions that have begun, or wait to. */
  abstract get executions(): readonly StepExecution[];

  abstract timeOut(timeoutMs: number): void;

  abstract stall(): void;

  get clock(): Clock {
    return this.settings.clock;
  }

  /** Watches its time. */
  get watch(): RunWatch {
    this.#watch ??= new RunWatch(this);
    return this.#watch;
  }

  get isStalled(): boolean {
    return this.#watch?.isStalled === true;
  }

  get stalledAfterMs(): number {
    return this.settings.stall.ms;
  }

  get isJson(): boolean {
    return this.settings.isJson;
  }

  get mayBegin(): (() => boolean) | undefined {
    return this.settings.mayBegin;
  }

  get traced(): TracedProcessor {
    return this.settings.traced;
  }

  get hasWorker(): boolean {
    return this.worker !== undefined;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    const { signal } = this.#controller;
    if (this.error !== undefined && !signal.aborted) this.#controller.abort(this.error);
    return signal;
  }

  wantWorker(): void {
    if (this.wantsWorker) return;
    this.wantsWorker = true;
    this.settings.observer.wantsWorker(this.order);
  }

  /** Takes the worker from the run; to be freed last. */
  leaveWorker(): Worker | undefined {
    const { worker } = this;
    this.worker = undefined;
    return worker;
  }

  /** Runs a function in the async context of the order's caller. */
  inScope(work: () => void): void {
    this.settings.observer.inScope(this.order, work);
  }

  abort(controller: AbortController, reason: OrderError): void {
    this.settings.observer.abort(controller, reason);
  }

  /** The order's own signal aborts, if it was asked for. */
  protected abortSignal(reason: OrderError): void {
    if (this.#controller !== undefined) this.abort(this.#controller, reason);
  }

  limitOf(timeoutMs: number): TimeLimit<Limited> {
    return this.settings.limitOf(timeoutMs);
  }

  predicateFailed(step: string, cause: unknown): void {
    this.settings.observer.predicateFailed(this.order, step, cause);
  }

  progressed(progress: StepProgress): void {
    this.progress = progress;
    this.settings.observer.progressed(this.order, progress);
  }

  setAmount(execution: ExecutionFacts, money: FinalMoney): void {
    this.finalAmount ??= new FinalAmount();
    this.finalAmount.set(execution, money);
  }

  remember(execution: StepExecution): boolean {
    const { step, value: result } = execution;
    const { amount, postings = noPostings } = this.finalAmount?.of(execution) ?? {};
    const compensations = this.order.tries?.compensations[step.name];
    const own = postings.length > 0 ? { postings } : undefined;
    const remembered = { step: step.name, result, amount, ...own };
    return this.settings.observer.remember(
      this.order,
      compensations === undefined ? remembered : { ...remembered, compensations },
    );
  }

  /** The storage has what these steps have returned. */
  remembered(steps: readonly RememberedStep[]): void {
    this.#endRemembering(steps, (execution) => execution.remembered());
  }

  /** The storage cannot keep what these steps have returned. */
  notRemembered(steps: readonly RememberedStep[], cause: unknown): void {
    this.#endRemembering(steps, (execution) => execution.notRemembered(cause));
  }

  #endRemembering(steps: readonly RememberedStep[], end: (execution: StepExecution) => void): void {
    this.inScope(() => {
      this.clock.read();
      for (const execution of this.executions) {
        // What follows from one may end the others.
        if (execution.state !== 'remembering') continue;
        if (steps.some(({ step }) => step === execution.step.name)) end(execution);
      }
    });
  }

  waiting(): void {
    this.#hasPaused = true;
    this.releaseIfPaused();
  }

  /** Why the order failed or was canceled, as of now. */
  errorOf(
    { code, message, cause, retryable }: Verdict,
    outcome: 'failed' | 'canceled',
    steps: readonly StepResult[],
  ): OrderError {
    // Trying again would do twice what could not be compensated.
    const isHalfDone = steps.some(({ compensation }) => compensation?.status === 'error');
    return new OrderError(code, message, {
      ...this.order.facts,
      outcome,
      cause,
      retryable: isHalfDone ? false : retryable,
      steps,
      waitMs: this.startedAt - this.order.acceptedAt,
      durationMs: this.clock.last - this.startedAt,
    });
  }

  pausing(execution: StepExecution, verdict: Verdict, delayMs: number): void {
    this.#hasPaused = true;
    const { step, attempts: attempt, compensated } = execution;
    const isCompensation = compensated !== undefined;
    const retry = { step: step.name, isCompensation, attempt, delayMs, verdict };
    this.settings.observer.retried(this.order, retry);
    this.releaseIfPaused();
  }

  due(execution: StepExecution): void {
    this.clock.read();
    if (this.hasWorker) this.inScope(() => execution.start());
    else this.wantWorker();
  }

  /** Ends the timers: nothing is left to do except what runs. */
  rest(): void {
    this.wantsWorker = false;
    this.#watch?.end();
  }

  protected endStall(): void {
    this.#watch?.endStall();
  }

  /** Frees the worker in a pause. The user's other orders wait. */
  protected releaseIfPaused(): void {
    if (!this.#hasPaused || this.isStarting || this.running > 0 || !this.hasWorker) return;
    const unended = this.#unended;
    if (unended.length === 0 || !unended.every(({ isPaused }) => isPaused)) return;
    // It holds its user because its retry options say so.
    this.endStall();
    this.leaveWorker()?.free();
  }

  /** The processor has shut down: what its functions come to is not waited for. */
  unwatch(): void {
    this.rest();
    for (const execution of this.executions) execution.unwatch();
  }

  /** The names of the steps that have begun, or wait to, and have not ended. */
  get unended(): string[] {
    return this.#unended.map(({ step }) => step.name);
  }

  get #unended(): StepExecution[] {
    return this.executions.filter(({ isUnended }) => isUnended);
  }
}
