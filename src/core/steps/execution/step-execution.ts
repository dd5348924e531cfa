import type { Verdict } from '../../order/decision.ts';
import { OrderError } from '../../order/order-error.ts';
import { asPromise, isThenable } from '../../runtime/awaitable.ts';
import { isWorthRetrying, pauseMs, retryableOf } from '../limits/retry.ts';
import type { Waiter } from '../limits/semaphore.ts';
import type { LimitedTime } from '../limits/time-limit.ts';
import type { PlannedStep } from '../step-plan.ts';
import { callStep, checkOwned, contextOf } from './call-step.ts';
import { ExecutionFacts } from './execution-facts.ts';
import type { ExecutionOwner, ExecutionRun } from './execution-run.ts';
import { moveExecution } from './execution-state.ts';
import type { Context, ContextOfCompensation } from './step-context.ts';
import { deniesEffect, faultOf, notKept, verdictOn } from './step-failure.ts';

/**
 * One function, a step's `run` or its `compensate`, called until it succeeds or no attempt is left: each attempt under
 * a time limit, with pauses between them.
 */
export class StepExecution extends ExecutionFacts implements Waiter {
  declare readonly compensated: StepExecution | undefined;
  prev: Waiter | undefined = undefined;
  next: Waiter | undefined = undefined;
  readonly #run: ExecutionRun<StepExecution>;
  readonly #owner: ExecutionOwner<StepExecution>;
  #context: Context | ContextOfCompensation | undefined = undefined;
  /** The limit of the attempt, or the pause after it. */
  #time: Pick<LimitedTime<StepExecution>, 'end'> | undefined = undefined;
  /** The error of the attempt whose time was up; what it throws after that is a consequence. */
  #overdue: OrderError | undefined = undefined;
  /** Another attempt follows the one whose time was up. */
  #triesAgain = false;

  constructor(
    step: PlannedStep,
    run: ExecutionRun<StepExecution>,
    owner: ExecutionOwner<StepExecution>,
    compensated?: StepExecution,
  ) {
    super(step, run.order.earlierAttempts > 0, compensated);
    this.#run = run;
    this.#owner = owner;
  }

  /** There is a worker, and the clock has just been read. */
  start(): void {
    if (this.isFinished) {
      // What it has returned is remembered by now.
      this.#finish();
      return;
    }
    const { semaphore } = this.limits;
    if (semaphore === undefined || semaphore.acquire(this)) this.#try();
    else moveExecution(this, 'queued');
  }

  /** It does not begin: the order does not need the step, or cannot say whether it does. */
  skip(): void {
    this.mayHaveActed = false;
    this.#end();
  }

  /** An earlier run has remembered what it returned. */
  recall(value: unknown): void {
    this.value = value;
    this.isFinished = true;
    if (!this.isOver) this.#end();
  }

  /** What it has returned is remembered: it goes on as soon as there is a worker. */
  remembered(): void {
    moveExecution(this, 'due');
    this.#run.due(this);
  }

  /** The storage cannot keep what it has returned, so it fails, and is compensated with that. */
  notRemembered(cause: unknown): void {
    this.isUnfit = true;
    this.#end();
    this.#owner.failed(this, notKept(this.title, '', cause));
  }

  admitted(): void {
    this.#run.inScope(() => this.#try());
  }

  /** Ends the execution. An attempt that runs is aborted, and `stopped` is called when it has ended. */
  abort(reason: OrderError): void {
    if (this.isRunning) {
      this.#abandon();
      this.#context?.abort(reason);
      return;
    }
    if (this.isOver) return;
    if (this.state === 'queued') this.limits.semaphore?.withdraw(this);
    this.endTime();
    this.#end();
  }

  /** How long it has taken so far, pauses included. */
  elapsed(): number {
    if (this.attempts === 0 || this.isFinished || this.state === 'over') return this.durationMs;
    return this.#run.clock.last - this.begunAt;
  }

  /** The limit of an attempt has passed. */
  timeOut(timeoutMs: number): void {
    this.#time = undefined;
    this.#run.inScope(() => this.#timeOut(timeoutMs));
  }

  #timeOut(timeoutMs: number): void {
    const run = this.#run;
    run.clock.read();
    const message = `${this.title} did not end within ${timeoutMs} ms`;
    const { id: orderId, userId } = run.accepted;
    const error = new OrderError('timeout', message, { orderId, userId });
    this.#overdue = error;
    this.#triesAgain = this.#mayTryAgain(error);
    // The predicate may have canceled the order.
    if (this.state !== 'running') return;
    // Two attempts never run side by side: the next one waits for this one, for a bounded time.
    if (this.#triesAgain) this.#wait(run.stalledAfterMs, () => this.#failOverdue(message));
    this.#context?.abort(error);
    if (!this.#triesAgain) this.#failOverdue(message);
  }

  #try(): void {
    const run = this.#run;
    moveExecution(this, 'running');
    if (this.attempts === 0) this.begunAt = run.clock.last;
    this.attempts += 1;
    run.running += 1;
    let value: unknown;
    try {
      value = this.#call();
      if (isThenable(value)) {
        this.#await(asPromise(value));
        return;
      }
    } catch (thrown) {
      this.#attemptFailed(thrown);
      return;
    }
    this.#attemptSucceeded(value);
  }

  #call(): unknown {
    // The signal of the attempt before must not abort.
    this.#context = undefined;
    if (this.#run.mayBegin !== undefined) checkOwned(this.#run, this);
    this.#context = contextOf(this.#run, this);
    return callStep(this.#run, this, this.#context);
  }

  #await(promise: Promise<unknown>): void {
    promise.then(
      (value) => this.#attemptSucceeded(value),
      (thrown) => this.#attemptFailed(thrown),
    );
    // For what starts next, and for the limit.
    this.#run.clock.read();
    const { timeoutMs } = this.limits;
    if (timeoutMs === undefined || this.state !== 'running') return;
    this.#time = this.#run.limitOf(timeoutMs).begin(this);
  }

  #wait(ms: number, callback: () => void): void {
    const timer = setTimeout(callback, ms);
    this.#time = { end: () => clearTimeout(timer) };
  }

  /** The processor has shut down: the process can end although the function runs. */
  unwatch(): void {
    this.endTime();
    if (this.isRunning) this.traced?.left();
  }

  /** Ends its limit or its pause. */
  endTime(): void {
    this.#time?.end();
    this.#time = undefined;
  }

  #abandon(): void {
    if (this.state === 'running') moveExecution(this, 'abandoned');
    this.endTime();
  }

  /** The function goes on although its time was up. The execution fails without it. */
  #failOverdue(message: string): void {
    // A listener of its signal may have canceled the order.
    this.#abandon();
    this.#run.clock.read();
    this.durationMs = this.elapsed();
    this.#owner.failed(this, { code: 'timeout', message, isTimeUp: true });
  }

  #attemptSucceeded(value: unknown): void {
    this.value = value;
    const fault = this.compensated === undefined && this.#run.isJson ? faultOf(this) : undefined;
    // Before the attempt stops counting as running: a subscriber may cancel the order.
    this.traced?.returned(value, this.state, this.#overdue, fault);
    this.#leave();
    this.durationMs = this.elapsed();
    this.isFinished = true;
    const isFailed = fault !== undefined && this.state === 'running';
    if (fault !== undefined) this.isUnfit = true;
    if (isFailed) {
      this.#end();
      this.#owner.failed(this, fault);
    } else if (this.#isToRemember && this.#run.remember(this)) {
      moveExecution(this, 'remembering');
      this.#run.waiting();
    } else this.#finish();
    this.limits.semaphore?.release();
  }

  #finish(): void {
    this.#end();
    this.#owner.succeeded(this);
  }

  get #isToRemember(): boolean {
    return this.step.remembers && this.compensated === undefined && this.state === 'running';
  }

  #attemptFailed(thrown: unknown): void {
    if (!deniesEffect(thrown, this.#overdue, this.#run.error)) this.mayHaveActed = true;
    // Before the attempt stops counting as running: a predicate may cancel the order.
    const delayMs = this.#pauseAfter(thrown);
    this.traced?.threw(thrown, this.state, this.#overdue, delayMs);
    this.#leave();
    if (this.state === 'abandoned') {
      this.#end();
      this.#owner.stopped(this);
    } else if (delayMs !== undefined) this.#pause(thrown, delayMs);
    else {
      this.#end();
      this.#owner.failed(this, this.#verdictOn(thrown));
    }
    this.limits.semaphore?.release();
  }

  /** How long the pause before the next attempt is; `undefined` if there is none. */
  #pauseAfter(thrown: unknown): number | undefined {
    const { retry } = this.limits;
    const triesAgain = this.state === 'running' && this.#mayTryAgainAfter(thrown);
    return triesAgain && retry !== undefined ? pauseMs(retry, this.attempts, thrown) : undefined;
  }

  #mayTryAgainAfter(thrown: unknown): boolean {
    if (this.#overdue === undefined) return this.#mayTryAgain(thrown);
    if (retryableOf(thrown) !== false) return this.#triesAgain;
    // The late error is final, so it counts in place of the timeout.
    this.#overdue = undefined;
    return false;
  }

  /** The attempt has ended. */
  #leave(): void {
    this.endTime();
    this.#run.running -= 1;
    this.#run.clock.read();
  }

  #end(): void {
    this.durationMs = this.elapsed();
    moveExecution(this, 'over');
    this.#run.over += 1;
    this.endedAs = this.#run.over;
  }

  #mayTryAgain(thrown: unknown): boolean {
    const { retry } = this.limits;
    if (retry === undefined || this.attempts >= retry.attempts) return false;
    return isWorthRetrying(retry, thrown, this.attempts, (cause) =>
      this.#run.predicateFailed(this.step.name, cause),
    );
  }

  #pause(thrown: unknown, delayMs: number): void {
    const verdict = this.#verdictOn(thrown);
    this.#overdue = undefined;
    moveExecution(this, 'paused');
    this.#wait(delayMs, () => {
      moveExecution(this, 'due');
      this.#run.due(this);
    });
    this.#run.pausing(this, verdict, delayMs);
  }

  #verdictOn(thrown: unknown): Verdict {
    const overdue = this.#overdue;
    if (overdue === undefined) return verdictOn(thrown, this.title, this.compensated !== undefined);
    return { code: 'timeout', message: overdue.message, isTimeUp: true };
  }
}
