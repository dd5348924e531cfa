import type { Job } from '../lifecycle/job.ts';
import type { Verdict } from '../order/decision.ts';
import { isOrderError, isOwnCode, OrderError } from '../order/order-error.ts';
import { asPromise, isThenable } from '../runtime/awaitable.ts';
import { causeOf, codeOf, messageOf } from '../runtime/thrown.ts';
import { deniesEffect } from './effect.ts';
import { isWorthRetrying, pauseMs, retryableOf } from './retry.ts';
import type { RunObserver } from './run-observer.ts';
import type { Entrant } from './semaphore.ts';
import type { CompensationContext } from './step.ts';
import { Context, ContextOfCompensation, type ContextOwner } from './step-context.ts';
import type { Limits, PlannedStep } from './step-plan.ts';

/**
 * Where a piece of work is. `idle`: not started. `queued`: it waits for one of its step's places.
 * `paused`: it waits before its next attempt. `due`: the pause is over. `over`: nothing more happens.
 */
export type TaskState = 'idle' | 'queued' | 'running' | 'paused' | 'due' | 'over';

/** Whose work it is. */
export interface TaskOwner {
  readonly board: ContextOwner & {
    /** How many attempts run, be it that they were given up. */
    running: number;
  };
  readonly job: Job;
  /** Why the order failed, once it has. */
  readonly error: OrderError | undefined;
  readonly host: Pick<RunObserver, 'clock' | 'stalledAfterMs' | 'predicateFailed'>;
  /** Runs something in the async context of the order's caller. */
  inScope(work: () => void): void;
  succeeded(task: Task): void;
  /** No further attempt; if the task is still `running`, its time was up and it goes on regardless. */
  failed(task: Task, verdict: Verdict): void;
  /** What was given up has ended. */
  stopped(task: Task): void;
  /** An attempt failed, and there will be another. */
  pausing(task: Task, verdict: Verdict, delayMs: number): void;
  /** The pause is over: `start` it once there is a worker. */
  due(task: Task): void;
}

/**
 * One function, a step's `run` or its `compensate`, tried until it succeeds or fails for good: under a
 * time limit for each attempt, with pauses between them, in one of its step's places.
 */
export class Task implements Entrant {
  readonly step: PlannedStep;
  /** With a compensation, the run that it compensates. */
  readonly compensated: Task | undefined;
  state: TaskState = 'idle';
  attempts = 0;
  durationMs = 0;
  /** What the function has given, once it has finished. */
  value: unknown = undefined;
  isFinished = false;
  /** An attempt, in this process or an earlier one, may have had its effect without finishing. */
  mayHaveActed: boolean;
  /** How many steps it still comes after. */
  needs: number;
  prev: Entrant | undefined = undefined;
  next: Entrant | undefined = undefined;
  readonly #owner: TaskOwner;
  readonly #limits: Limits;
  #begunAt = 0;
  #context: Context | undefined = undefined;
  #timer: NodeJS.Timeout | undefined = undefined;
  /** The attempt's time was up; what it throws from then on is a consequence. */
  #overdue: OrderError | undefined = undefined;
  #triesAgain = false;
  #isGivenUp = false;

  constructor(step: PlannedStep, owner: TaskOwner, compensated?: Task) {
    this.step = step;
    this.compensated = compensated;
    this.needs = compensated === undefined ? step.needs : 0;
    this.mayHaveActed = owner.board.earlierAttempts > 0;
    this.#owner = owner;
    this.#limits = compensated === undefined ? step.limits : step.compensation;
  }

  /** Whether it may start and has not. */
  get isReady(): boolean {
    return this.state === 'idle' && this.needs === 0;
  }

  get isOver(): boolean {
    return this.state === 'over';
  }

  /** Whether it is over, and is to be compensated if its order does not complete. */
  get isToCompensate(): boolean {
    return (
      this.isOver && this.step.compensate !== undefined && (this.isFinished || this.mayHaveActed)
    );
  }

  /** Whether it waits before its next attempt, or for a worker to make it. */
  get isPaused(): boolean {
    return this.state === 'paused' || this.state === 'due';
  }

  /** Takes over an attempt, the first one, that its owner has begun and counts among the `running`. */
  adopt(context: Context, begunAt: number): void {
    this.state = 'running';
    this.attempts = 1;
    this.#begunAt = begunAt;
    this.#context = context;
  }

  /** There is a worker, and the clock has just been read. */
  start(): void {
    const { gate } = this.#limits;
    if (gate === undefined || gate.enter(this)) this.#try();
    else this.state = 'queued';
  }

  admitted(): void {
    this.#owner.inScope(() => this.#try());
  }

  /** No further attempt; the one that runs is told to end, and `stopped` tells when it has. */
  abort(reason: OrderError): void {
    if (this.state === 'running') {
      this.#giveUp();
      this.#context?.abort(reason);
      return;
    }
    if (this.state === 'queued') this.#limits.gate?.withdraw(this);
    clearTimeout(this.#timer);
    this.#end();
  }

  /** How long it has taken so far, pauses included. */
  elapsed(): number {
    if (this.attempts === 0 || this.state === 'over') return this.durationMs;
    return this.#owner.host.clock.last - this.#begunAt;
  }

  /** Lets the process end although it runs. */
  unwatch(): void {
    clearTimeout(this.#timer);
  }

  #try(): void {
    const owner = this.#owner;
    this.state = 'running';
    if (this.attempts === 0) this.#begunAt = owner.host.clock.last;
    this.attempts += 1;
    owner.board.running += 1;
    let value: unknown;
    try {
      value = this.#call();
      if (isThenable(value)) {
        this.awaits(asPromise(value));
        // For whatever starts next.
        owner.host.clock.read();
        return;
      }
    } catch (thrown) {
      this.attemptFailed(thrown);
      return;
    }
    this.attemptSucceeded(value);
  }

  #call(): unknown {
    const { step, compensated, attempts } = this;
    const { board } = this.#owner;
    if (compensated === undefined) {
      this.#context = new Context(board, step, attempts);
      return step.run(board.order as never, this.#context);
    }
    const context = new ContextOfCompensation(board, step, attempts, compensated);
    this.#context = context;
    return step.compensate?.(board.order as never, context as CompensationContext<never, never>);
  }

  /** The attempt takes its time. */
  awaits(promise: Promise<unknown>): void {
    promise.then(
      (value) => this.attemptSucceeded(value),
      (thrown) => this.attemptFailed(thrown),
    );
    const { timeoutMs } = this.#limits;
    if (timeoutMs === undefined || this.#isGivenUp) return;
    this.#timer = setTimeout(() => this.#timeOut(timeoutMs), timeoutMs);
  }

  #timeOut(timeoutMs: number): void {
    const { board, host } = this.#owner;
    const { clock, stalledAfterMs } = host;
    clock.read();
    const message = `${this.#title} did not end within ${timeoutMs} ms`;
    const { id: orderId, userId } = board.order;
    const error = new OrderError('timeout', message, { orderId, userId });
    const giveUp = (): void => {
      this.#giveUp();
      clock.read();
      this.durationMs = this.elapsed();
      this.#owner.failed(this, { code: 'timeout', message, isTimeUp: true });
    };
    this.#overdue = error;
    this.#triesAgain = this.#mayTryAgain(error);
    // The predicate may have canceled the order.
    if (this.#isGivenUp) return;
    // Two attempts never run side by side: the next one waits for this one, but not for ever.
    if (this.#triesAgain) this.#timer = setTimeout(giveUp, stalledAfterMs);
    this.#context?.abort(error);
    if (!this.#triesAgain) giveUp();
  }

  #giveUp(): void {
    this.#isGivenUp = true;
    clearTimeout(this.#timer);
  }

  attemptSucceeded(value: unknown): void {
    this.#leave();
    this.value = value;
    this.isFinished = true;
    this.#end();
    this.#owner.succeeded(this);
    this.#limits.gate?.leave();
  }

  attemptFailed(thrown: unknown): void {
    if (!deniesEffect(thrown, this.#overdue, this.#owner.error)) this.mayHaveActed = true;
    // While the attempt still counts as running: a predicate may cancel the order.
    const triesAgain = !this.#isGivenUp && this.#mayTryAgainAfter(thrown);
    this.#leave();
    if (this.#isGivenUp) {
      this.#end();
      this.#owner.stopped(this);
    } else if (triesAgain) this.#pause(thrown);
    else {
      this.#end();
      this.#owner.failed(this, this.#verdictOn(thrown));
    }
    this.#limits.gate?.leave();
  }

  #mayTryAgainAfter(thrown: unknown): boolean {
    if (this.#overdue === undefined) return this.#mayTryAgain(thrown);
    if (retryableOf(thrown) !== false) return this.#triesAgain;
    // Late, but final: what it says counts, and not that it was late.
    this.#overdue = undefined;
    return false;
  }

  #leave(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#owner.board.running -= 1;
    this.#owner.host.clock.read();
  }

  #end(): void {
    this.durationMs = this.elapsed();
    this.state = 'over';
  }

  #mayTryAgain(thrown: unknown): boolean {
    const { retry } = this.#limits;
    if (retry === undefined || this.attempts >= retry.attempts) return false;
    return isWorthRetrying(retry, thrown, this.attempts, (cause) =>
      this.#owner.host.predicateFailed(this.#owner.job, this.step.name, cause),
    );
  }

  #pause(thrown: unknown): void {
    const { retry } = this.#limits;
    if (retry === undefined) return;
    const verdict = this.#verdictOn(thrown);
    this.#overdue = undefined;
    const delayMs = pauseMs(retry, this.attempts);
    this.state = 'paused';
    this.#timer = setTimeout(() => {
      this.state = 'due';
      this.#owner.due(this);
    }, delayMs);
    this.#owner.pausing(this, verdict, delayMs);
  }

  #verdictOn(thrown: unknown): Verdict {
    const title = this.#title;
    if (this.#overdue !== undefined) {
      return { code: 'timeout', message: this.#overdue.message, isTimeUp: true };
    }
    const code = codeOf(thrown);
    const cause = causeOf(thrown, title);
    // From a step, the processor's own codes are another processor's.
    if (code === undefined || isOwnCode(code)) {
      const message = `${title} threw an error without a lower-snake-case code of its own`;
      return { code: 'internal', message, cause };
    }
    const failure = `${title} failed with \`${code}\``;
    // What a payment provider's client says may be meant for the operator alone.
    const message = isOrderError(thrown) ? messageOf(thrown, failure) : failure;
    return { code, message, cause, retryable: retryableOf(thrown) };
  }

  get #title(): string {
    return `${this.compensated === undefined ? 'Step' : 'The compensation of step'} \`${this.step.name}\``;
  }
}
