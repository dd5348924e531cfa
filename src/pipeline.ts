import { type Awaitable, asPromise, isThenable } from './awaitable.ts';
import type { Clock } from './clock.ts';
import { Compensations, compensationResult } from './compensations.ts';
import { OrderError } from './errors.ts';
import type { Job } from './job.ts';
import type { Linked } from './linked-list.ts';
import type { AcceptedOrder } from './order.ts';
import type { StepResult, UnfulfilledOutcome } from './outcome.ts';
import type { RunListener } from './run-listener.ts';
import { StepBoard } from './step-board.ts';
import { Context } from './step-context.ts';
import type { PlannedStep, StepPlan } from './step-plan.ts';
import type { Task, TaskOwner, Verdict } from './task.ts';
import { WorkerLease } from './worker-lease.ts';

export interface RunLimits {
  readonly timeoutMs: number | undefined;
  readonly stalledAfterMs: number;
}

/**
 * Where a run is.
 *
 * ```text
 * running ── all finished ──────────────────▶ over
 * running ── failed, timed out, canceled ───▶ ending
 * ending ─── all ended, or stalled ─────────▶ compensating, or over where nothing is to be compensated
 * compensating ── all done ─────────────────▶ over
 * over ── the storage refuses the amount ───▶ ending
 * over ── a step finishes late ─────────────▶ compensating
 * running ── the storage is asked first ────▶ asking ── it takes the amount ─▶ running, else ending
 * ```
 */
type Phase = 'running' | 'asking' | 'ending' | 'compensating' | 'over';

/** Why a compensation failed that shutdown did not wait for. */
const tooLate: Verdict = {
  code: 'shut_down',
  message: 'The processor shut down before the step was compensated',
};

/**
 * The steps of one order. It is *decided* when all of them finished, or the first one failed, the time
 * was up or it was canceled; then what runs is told to end, and what had finished is compensated, the
 * last one first; then it is *concluded*, and settled. It has *ended* when none of its functions runs:
 * the user's next order waits for that (invariant 1).
 */
export class Run implements TaskOwner, Linked<Run> {
  readonly job: Job;
  readonly clock: Clock;
  readonly order: AcceptedOrder;
  readonly startedAt: number;
  readonly stalledAfterMs: number;
  readonly worker = new WorkerLease();
  // The links of the list of all runs.
  prev: Run | undefined = undefined;
  next: Run | undefined = undefined;
  running = 0;
  isStalled = false;
  readonly #board: StepBoard;
  readonly #timeoutMs: number | undefined;
  readonly #listener: RunListener;
  #phase: Phase = 'running';
  #isConcluded = false;
  /** More became of its steps after that. */
  #isAmended = false;
  /** What callers have been told before the order was settled. */
  told: UnfulfilledOutcome | undefined = undefined;
  #hasPaused = false;
  /** The storage was asked first, and the steps wait for a worker. */
  #isToStart = false;
  /** Came while the storage was asked. */
  #cancellation: string | undefined = undefined;
  /** Several steps are being started, and not all have been. */
  #isStarting = false;
  #compensations: Compensations | undefined = undefined;
  #controller: AbortController | undefined = undefined;
  #outcome: 'failed' | 'canceled' = 'failed';
  #verdict: Verdict | undefined = undefined;
  /** As of the decision, for signals and compensations. */
  #error: OrderError | undefined = undefined;
  #deadline: NodeJS.Timeout | undefined = undefined;
  #stallTimer: NodeJS.Timeout | undefined = undefined;

  constructor(
    job: Job,
    plan: StepPlan,
    clock: Clock,
    { timeoutMs, stalledAfterMs }: RunLimits,
    listener: RunListener,
  ) {
    this.job = job;
    this.order = job.toOrder();
    this.clock = clock;
    this.startedAt = clock.read();
    this.stalledAfterMs = stalledAfterMs;
    this.#board = new StepBoard(plan, this);
    this.#timeoutMs = timeoutMs;
    this.#listener = listener;
  }

  get isDecided(): boolean {
    return this.#phase !== 'running' && this.#phase !== 'asking';
  }

  get hasEnded(): boolean {
    return this.#phase === 'over' && this.running === 0;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    const { signal } = this.#controller;
    if (this.#error !== undefined && !signal.aborted) this.#controller.abort(this.#error);
    return signal;
  }

  get earlierAttempts(): number {
    const { entry } = this.job;
    return entry === undefined ? 0 : entry.attempt - 1;
  }

  get error(): OrderError {
    return this.#error as OrderError;
  }

  /** The names of the steps that have begun, or wait to, and have not ended. */
  get unended(): string[] {
    return this.#allTasks()
      .filter(({ isOver, needs }) => !isOver && needs === 0)
      .map(({ step }) => step.name);
  }

  /** @param refusal - why the order cannot succeed, if that is clear before its steps begin */
  start(refusal: Awaitable<Verdict | undefined>): void {
    if (isThenable(refusal)) {
      asPromise(refusal).then((verdict) =>
        this.inScope(() => {
          this.clock.read();
          this.#begin(verdict);
        }),
      );
    } else this.#begin(refusal);
    if (!this.#isConcluded) this.#watchAll();
  }

  /** There is a worker again. */
  resume(): void {
    if (!this.worker.regain()) return;
    this.inScope(() => {
      this.clock.read();
      if (this.#isToStart && this.#phase === 'running') this.#startAll();
      this.#isStarting = true;
      for (const task of this.#allTasks()) if (task.state === 'due') task.start();
      this.#isStarting = false;
      const isToCompensate = this.#phase === 'compensating' && !this.#compensations?.current;
      // What was due may have had the order canceled, and the worker taken away.
      if (isToCompensate && this.worker.holds) this.#compensateNext();
      this.#releaseIfPaused();
    });
  }

  /** Decides the order from outside: it is canceled. */
  cancel(message: string): void {
    this.clock.read();
    if (this.#phase === 'asking') this.#cancellation ??= message;
    else this.#decide('canceled', { code: 'canceled', message });
  }

  /** The storage did not take the amount, though the steps had finished. */
  refused({ code, message, cause }: OrderError): void {
    this.#isConcluded = false;
    this.#phase = 'ending';
    this.#verdict = { code, message, cause };
    this.#error = this.#errorOf(this.#board.results());
    if (this.#timeoutMs !== undefined) this.#watchDeadline(this.#timeoutMs);
    this.#proceed();
  }

  /** The storage has taken the amount, which seemed impossible: it had been applied before. */
  admitted(): void {
    this.#phase = 'running';
    if (this.#cancellation !== undefined) {
      this.cancel(this.#cancellation);
      return;
    }
    this.#watchAll();
    if (this.#phase !== 'running') return;
    this.#isToStart = true;
    if (this.worker.holds) this.inScope(() => this.#startAll());
    else this.#wantWorker();
  }

  /** The processor shuts down: what runs now has had its time, and what is left has a little. */
  hurry(): void {
    if (this.#phase === 'ending') this.#stall();
    const current = this.#compensations?.current;
    if (this.#phase !== 'compensating' || current === undefined) return;
    this.clock.read();
    current.abort(this.error);
    this.#reportCompensation(current, tooLate);
    this.#compensations?.drop();
    this.#goOnCompensating();
  }

  /** The processor shuts down and waits no longer: what is decided against is concluded. */
  conclude(): void {
    if (this.#error === undefined) return;
    this.clock.read();
    for (const compensation of this.#compensations?.giveUp(this) ?? []) {
      this.#reportCompensation(compensation, tooLate);
    }
    this.#conclude();
  }

  /** Lets the process end although something runs. */
  unwatch(): void {
    this.#rest();
    for (const task of this.#allTasks()) task.unwatch();
  }

  inScope(work: () => void): void {
    const { scope } = this.job;
    if (scope === undefined) work();
    else scope.runInAsyncScope(work);
  }

  resultsBefore(step: PlannedStep): Readonly<Record<string, unknown>> {
    return this.#board.valuesBefore(step);
  }

  succeeded(task: Task): void {
    if (task.compensated !== undefined) {
      this.#compensated(task, undefined);
      return;
    }
    if (task.step.compensate !== undefined) {
      this.#compensations ??= new Compensations();
      this.#compensations.add(task);
    }
    if (this.#phase !== 'running') {
      this.stopped(task);
      return;
    }
    this.#report(this.#board.finish(task));
    // A listener may have canceled it.
    if (this.isDecided) return;
    const next = this.#board.after(task);
    // One of them may be done at once, and have started another.
    for (const each of next) if (each.isReady && this.#phase === 'running') each.start();
    if (this.#board.isDone && this.#phase === 'running') this.#complete();
    else this.#releaseIfPaused();
  }

  failed(task: Task, verdict: Verdict): void {
    if (task.compensated !== undefined) {
      this.#compensated(task, verdict);
      return;
    }
    if (this.#phase !== 'running') return;
    this.#report(this.#board.set(task, 'error', verdict.code));
    this.#decide('failed', verdict);
  }

  stopped(task: Task): void {
    // Of a compensation that was given up it is known that it failed.
    if (task.compensated === undefined && !this.#board.has(task)) {
      this.#report(this.#board.set(task, 'canceled'));
    }
    this.#oneEnded();
  }

  pausing(task: Task, verdict: Verdict, delayMs: number): void {
    this.#hasPaused = true;
    this.#listener.retried(this, task, verdict, delayMs);
    this.#releaseIfPaused();
  }

  due(task: Task): void {
    this.clock.read();
    if (this.worker.holds) task.start();
    else this.#wantWorker();
  }

  predicateFailed(task: Task, cause: unknown): void {
    this.#listener.predicateFailed(this, task, cause);
  }

  #begin(refusal: Verdict | undefined): void {
    if (this.#phase !== 'running') return;
    if (refusal !== undefined) {
      if (refusal.isForStorage) this.#askStorage();
      else this.#decide('failed', refusal);
      return;
    }
    this.#startAll();
  }

  /** Meanwhile nothing can decide the order but the storage, as when it settles. */
  #askStorage(): void {
    this.#phase = 'asking';
    clearTimeout(this.#stallTimer);
    const steps = this.#board.results();
    const decision = { outcome: 'completed' as const, error: undefined, steps };
    this.#listener.concluded(this, { ...decision, isCompensable: true, isTrial: true });
    // It may take its time, and needs no worker for it.
    if (this.#phase === 'asking') this.worker.free();
  }

  #startAll(): void {
    this.#isToStart = false;
    this.#isStarting = true;
    for (const step of this.#board.steps) {
      if (step.needs > 0) continue;
      if (step.isPlain) this.#startPlain(step);
      else this.#board.taskOf(step).start();
      if (this.#phase !== 'running') break;
    }
    this.#isStarting = false;
    if (this.#board.isDone && this.#phase === 'running') this.#complete();
    else this.#releaseIfPaused();
  }

  /** Without a task, which only a step that takes its time or fails has need of. */
  #startPlain(step: PlannedStep): void {
    const { clock } = this;
    const begunAt = clock.last;
    const context = new Context(this, step, 1);
    this.running += 1;
    let value: unknown;
    let promise: Promise<unknown> | undefined;
    try {
      value = step.run(this.order as never, context);
      if (isThenable(value)) promise = asPromise(value);
      // For whatever starts next.
      clock.read();
    } catch (thrown) {
      this.#adopt(step, context, begunAt).attemptFailed(thrown);
      return;
    }
    if (promise === undefined && this.#phase === 'running') {
      this.running -= 1;
      this.#report(this.#board.finishAtOnce(step, clock.last - begunAt));
      return;
    }
    const task = this.#adopt(step, context, begunAt);
    if (promise === undefined) task.attemptSucceeded(value);
    else task.awaits(promise);
  }

  #adopt(step: PlannedStep, context: Context, begunAt: number): Task {
    const task = this.#board.taskOf(step);
    task.adopt(context, begunAt);
    // The step itself may have had its order canceled.
    if (this.#error !== undefined) task.abort(this.#error);
    return task;
  }

  #watchAll(): void {
    if (this.#timeoutMs !== undefined) this.#watchDeadline(this.#timeoutMs);
    else if (this.#phase === 'running') this.#watch();
  }

  /** The caller hears no later than `timeoutMs` after the beginning. */
  #watchDeadline(timeoutMs: number): void {
    clearTimeout(this.#deadline);
    const leftMs = timeoutMs - (this.clock.read() - this.startedAt);
    if (leftMs > 0) this.#deadline = setTimeout(() => this.#timeOut(timeoutMs), leftMs);
    else this.#timeOut(timeoutMs);
  }

  #timeOut(timeoutMs: number): void {
    this.clock.read();
    const message = `The order was not done within ${timeoutMs} ms`;
    this.#decide('failed', { code: 'timeout', message, isTimeUp: true });
    // It had failed before, and what is to be taken back takes its time.
    this.#tell();
  }

  #complete(): void {
    this.#phase = 'over';
    this.#rest();
    this.#isConcluded = true;
    const isCompensable = this.#compensations !== undefined;
    const steps = this.#board.results();
    this.#listener.concluded(this, {
      outcome: 'completed',
      error: undefined,
      steps,
      isCompensable,
    });
    // Else the storage has refused it meanwhile.
    if (this.hasEnded) this.#end();
  }

  /** The one place in which a run is decided against. */
  #decide(outcome: 'failed' | 'canceled', verdict: Verdict): void {
    if (this.#phase !== 'running') return;
    this.#phase = 'ending';
    clearTimeout(this.#stallTimer);
    this.#outcome = outcome;
    this.#verdict = verdict;
    const error = this.#errorOf(this.#board.results());
    this.#error = error;
    for (const task of this.#board.tasks) this.#abort(task, error);
    this.#controller?.abort(error);
    const isDue = verdict.isTimeUp === true || outcome === 'canceled';
    if (isDue || !this.#mayCompensate()) this.#tell();
    if (this.running === 0) this.#proceed();
    else {
      if (this.isStalled) this.worker.free();
      this.#watch();
    }
  }

  #abort(task: Task, error: OrderError): void {
    if (task.isOver) return;
    task.abort(error);
    if (task.isOver && task.attempts > 0) this.#report(this.#board.set(task, 'canceled'));
  }

  /** Whether it is open what will be compensated. */
  #mayCompensate(): boolean {
    if (this.#compensations?.areDue) return true;
    return this.#allTasks().some(({ state, step }) => state === 'running' && step.compensate);
  }

  /** Nothing runs, or what does goes on regardless. */
  #proceed(): void {
    clearTimeout(this.#stallTimer);
    if (!this.#compensations?.areDue) this.#conclude();
    else {
      this.#phase = 'compensating';
      this.#goOnCompensating();
    }
  }

  #goOnCompensating(): void {
    if (this.worker.holds) this.#compensateNext();
    else this.#wantWorker();
  }

  #compensateNext(): void {
    if (this.#compensations?.startNext(this)) return;
    if (this.running === 0 || this.isStalled) this.#conclude();
    else {
      // Some compensation's time was up, and it has just been told so.
      this.#phase = 'ending';
      this.#watch();
    }
  }

  #compensated(task: Task, verdict: Verdict | undefined): void {
    if (task !== this.#compensations?.current) {
      // Its time was up, and it is told as failed.
      this.#oneEnded();
      return;
    }
    this.#reportCompensation(task, verdict);
    this.#compensateNext();
  }

  #reportCompensation(task: Task, verdict: Verdict | undefined): void {
    // What the step did still stands, if that failed.
    const status = verdict === undefined ? 'compensated' : 'ok';
    const result = compensationResult(task, verdict);
    this.#report(this.#board.set(task.compensated as Task, status, undefined, result));
    this.#isAmended = this.#isConcluded;
    if (verdict !== undefined) this.#listener.compensationFailed(this, task.step.name, verdict);
  }

  #conclude(): void {
    this.#phase = 'over';
    this.#rest();
    if (this.running > 0) {
      this.#raiseStalled();
      this.worker.free();
    }
    if (this.#isConcluded) {
      if (this.#isAmended) this.#listener.amended(this, this.#board.results());
    } else {
      this.#isConcluded = true;
      const steps = this.#board.results();
      const error = this.#errorOf(steps);
      const outcome = this.#outcome;
      this.#listener.concluded(this, { outcome, error, steps, isCompensable: false });
    }
    if (this.running === 0) this.#end();
  }

  /** Something that was told to end has ended. */
  #oneEnded(): void {
    if (this.#phase === 'ending' && this.running === 0) this.#proceed();
    else if (this.#phase !== 'over') return;
    // It went on regardless, and the order was settled without it.
    else if (this.#compensations?.areDue) this.#proceed();
    else if (this.running === 0) this.#end();
  }

  #end(): void {
    this.#listener.ended(this);
    this.worker.free();
  }

  #tell(): void {
    if (this.told !== undefined || this.#error === undefined) return;
    this.told = { status: this.#outcome, error: this.#error };
    this.#listener.told(this, this.told);
  }

  #report(result: StepResult): void {
    this.#listener.stepped(this, result);
  }

  #errorOf(steps: readonly StepResult[]): OrderError {
    const { id: orderId, userId, labels } = this.job;
    const { code, message, cause, ...verdict } = this.#verdict as Verdict;
    // Whoever tries again what could not be taken back does it twice.
    const isHalfDone = steps.some(({ compensation }) => compensation?.status === 'error');
    const retryable = isHalfDone ? false : verdict.retryable;
    return new OrderError(code, message, { orderId, userId, labels, cause, retryable, steps });
  }

  #allTasks(): Task[] {
    return [...this.#board.tasks, ...(this.#compensations?.begun ?? [])];
  }

  /** In a pause the user waits, and the worker does not. */
  #releaseIfPaused(): void {
    if (!this.#hasPaused || this.#isStarting || this.running > 0 || !this.worker.holds) return;
    const tasks = this.#allTasks().filter(({ isOver, needs }) => !isOver && needs === 0);
    if (tasks.length > 0 && tasks.every(({ isPaused }) => isPaused)) this.worker.free();
  }

  #wantWorker(): void {
    if (this.worker.want()) this.#listener.wantsWorker(this);
  }

  #watch(): void {
    clearTimeout(this.#stallTimer);
    this.#stallTimer = setTimeout(() => this.#stall(), this.stalledAfterMs);
  }

  #stall(): void {
    this.clock.read();
    // A listener that cancels it now gives it time to end.
    const wasToldToEnd = this.#phase === 'ending';
    this.#raiseStalled();
    if (!wasToldToEnd) return;
    this.worker.free();
    this.#proceed();
  }

  #raiseStalled(): void {
    if (this.isStalled) return;
    this.isStalled = true;
    this.#listener.stalled(this);
  }

  /** Nothing more is to be done but what runs. */
  #rest(): void {
    this.worker.renounce();
    clearTimeout(this.#deadline);
    clearTimeout(this.#stallTimer);
  }
}
