import type { Linked } from '../collections/linked-list.ts';
import type { Job } from '../lifecycle/job.ts';
import { isLeft } from '../lifecycle/order-state.ts';
import type { Verdict } from '../order/decision.ts';
import { completed } from '../order/decision.ts';
import type { OrderError } from '../order/order-error.ts';
import type { UnfulfilledOutcome } from '../order/outcome.ts';
import type { StepResult } from '../order/step-result.ts';
import type { Cancellation } from '../runtime/abort.ts';
import { type Awaitable, asPromise, isThenable } from '../runtime/awaitable.ts';
import { Compensations, compensationResult } from './compensation.ts';
import type { RunObserver } from './run-observer.ts';
import type { Task, TaskOwner } from './step-execution.ts';
import type { StepBoard } from './step-results.ts';
import { WorkerLease } from './worker-lease.ts';

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
 * was up or it was canceled; then what runs is told to end, and what may have had its effect is
 * compensated, the last one to end first; then it is *concluded*, and settled. It has *ended* when none of
 * its functions runs: the user's next order waits for that (invariant 1).
 */
export class Run implements TaskOwner, Linked<Run> {
  readonly board: StepBoard;
  readonly host: RunObserver;
  readonly worker = new WorkerLease();
  // The links of the list of all runs.
  prev: Run | undefined = undefined;
  next: Run | undefined = undefined;
  isStalled = false;
  #phase: Phase = 'running';
  #isConcluded = false;
  /** More became of its steps after that. */
  #isAmended = false;
  /** What callers have been told before the order was settled. */
  told: UnfulfilledOutcome | undefined = undefined;
  /** Its compensations wait until the storage has noted the outcome. */
  #isNoting = false;
  #hasPaused = false;
  /** Came while the storage was asked. */
  #cancellation: Cancellation | undefined = undefined;
  /** Several steps are being started, and not all have been. */
  #isStarting = true;
  readonly #compensations = new Compensations();
  #controller: AbortController | undefined = undefined;
  #outcome: 'failed' | 'canceled' = 'failed';
  #verdict: Verdict | undefined = undefined;
  /** As of the decision, for signals and compensations. */
  #error: OrderError | undefined = undefined;
  #deadline: NodeJS.Timeout | undefined = undefined;
  #stallTimer: NodeJS.Timeout | undefined = undefined;

  constructor(board: StepBoard, host: RunObserver) {
    this.board = board;
    this.host = host;
  }

  get job(): Job {
    return this.board.job;
  }

  get isDecided(): boolean {
    return this.#phase !== 'running' && this.#phase !== 'asking';
  }

  get hasEnded(): boolean {
    return this.#phase === 'over' && this.board.running === 0;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    const { signal } = this.#controller;
    if (this.#error !== undefined && !signal.aborted) this.#controller.abort(this.#error);
    return signal;
  }

  get error(): OrderError | undefined {
    return this.#error;
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
          this.host.clock.read();
          this.#begin(verdict);
        }),
      );
    } else this.#begin(refusal);
    if (!this.#isConcluded) this.#watchAll();
  }

  /** There is a worker again. */
  resume(): void {
    if (!this.worker.regain()) return;
    if (this.#phase === 'running' && this.host.timeoutMs === undefined) this.#watch();
    this.inScope(() => {
      this.host.clock.read();
      this.#isStarting = true;
      for (const task of this.#allTasks()) if (task.state === 'due') task.start();
      const isToCompensate = this.#phase === 'compensating' && !this.#compensations.current;
      // What was due may have had the order canceled, and the worker taken away.
      if (isToCompensate && this.worker.holds) this.#compensateNext();
      // Where the storage was asked first, none has been started.
      this.#startAll();
    });
  }

  /** Decides the order from outside: it is canceled. */
  cancel(cancellation: Cancellation): void {
    this.host.clock.read();
    if (this.#phase === 'asking') this.#cancellation ??= cancellation;
    else this.#decide('canceled', { code: 'canceled', ...cancellation });
  }

  /** The storage did not take the amount, though the steps had finished. */
  refused({ code, message, cause }: OrderError): void {
    this.#isConcluded = false;
    this.#phase = 'ending';
    this.#verdict = { code, message, cause };
    this.#error = this.#errorOf(this.board.results());
    this.#watchAll();
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
    if (this.worker.holds) this.inScope(() => this.#startAll());
    else this.#wantWorker();
  }

  /** The processor shuts down: what runs now has had its time, and what is left has a little. */
  hurry(): void {
    if (this.#phase === 'ending') this.#stall();
    const current = this.#compensations.current;
    if (this.#phase !== 'compensating' || current === undefined) return;
    this.host.clock.read();
    current.abort(this.#error as OrderError);
    this.#reportCompensation(current, tooLate);
    this.#compensations.drop();
    this.#goOnCompensating();
  }

  /** The processor shuts down and waits no longer: what is decided against is concluded. */
  conclude(): void {
    if (this.#error === undefined) return;
    this.host.clock.read();
    // What stays in the storage is compensated after the next start.
    const isKept = isLeft(this.job);
    if (!isKept) this.#compensations.addUnbegun(this.board, this.#error as OrderError);
    for (const compensation of this.#compensations.giveUp(this)) {
      if (!isKept) this.#reportCompensation(compensation, tooLate);
    }
    this.#conclude();
  }

  /** Lets the process end although something runs. */
  unwatch(): void {
    this.#rest();
    for (const task of this.#allTasks()) task.unwatch();
  }

  /** The storage has noted what the order comes to. */
  noted(): void {
    const isWaiting = this.#isNoting && this.#phase === 'compensating';
    this.#isNoting = false;
    if (!isWaiting) return;
    this.host.clock.read();
    this.#goOnCompensating();
  }

  inScope(work: () => void): void {
    const { scope } = this.job;
    if (scope === undefined) work();
    else scope.runInAsyncScope(work);
  }

  succeeded(task: Task): void {
    if (task.compensated !== undefined) {
      this.#compensated(task, undefined);
      return;
    }
    if (this.#phase !== 'running') {
      this.stopped(task);
      return;
    }
    this.#compensations.ended(task);
    this.#report(this.board.finish(task));
    // A listener may have canceled it.
    if (this.isDecided) return;
    const next = this.board.after(task);
    // One of them may be done at once, and have started another.
    for (const each of next) if (each.isReady && this.#phase === 'running') each.start();
    if (this.board.isDone && this.#phase === 'running') this.#complete();
    else this.#releaseIfPaused();
  }

  failed(task: Task, verdict: Verdict): void {
    if (task.compensated !== undefined) {
      this.#compensated(task, verdict);
      return;
    }
    if (this.#phase !== 'running') return;
    // Before it is reported: a listener may cancel the order.
    this.#compensations.ended(task);
    this.#report(this.board.set(task, 'error', verdict.code));
    this.#decide('failed', verdict);
  }

  stopped(task: Task): void {
    // Of a compensation that was given up it is known that it failed.
    if (task.compensated === undefined) this.#compensations.ended(task);
    if (task.compensated === undefined && !this.board.has(task)) {
      this.#report(this.board.set(task, 'canceled'));
    }
    this.#oneEnded();
  }

  pausing(task: Task, verdict: Verdict, delayMs: number): void {
    this.#hasPaused = true;
    this.host.retried(this, task, verdict, delayMs);
    this.#releaseIfPaused();
  }

  due(task: Task): void {
    this.host.clock.read();
    if (this.worker.holds) task.start();
    else this.#wantWorker();
  }

  #begin(refusal: Verdict | undefined): void {
    if (refusal === undefined) this.#startAll();
    else if (!refusal.isForStorage) this.#decide(refusal.outcome ?? 'failed', refusal);
    else if (this.#phase === 'running') this.#askStorage();
  }

  /** Meanwhile nothing can decide the order but the storage, as when it settles. */
  #askStorage(): void {
    this.#phase = 'asking';
    clearTimeout(this.#stallTimer);
    const decision = completed(this.board.results(), true);
    this.host.concluded(this.board, { ...decision, isTrial: true });
    // It may take its time, and needs no worker for it.
    if (this.#phase === 'asking') this.worker.free();
  }

  #startAll(): void {
    this.board.start();
    this.#isStarting = false;
    if (this.board.isDone && this.#phase === 'running') this.#complete();
    else this.#releaseIfPaused();
  }

  /** The caller hears no later than `timeoutMs` after the beginning, if there is such a limit. */
  #watchAll(): void {
    const { timeoutMs, clock } = this.host;
    if (timeoutMs === undefined) {
      // In a pause it waits for no function.
      if (this.#phase === 'running' && this.worker.holds) this.#watch();
      return;
    }
    clearTimeout(this.#deadline);
    const leftMs = timeoutMs - (clock.read() - this.board.startedAt);
    if (leftMs > 0) this.#deadline = setTimeout(() => this.#timeOut(timeoutMs), leftMs);
    else this.#timeOut(timeoutMs);
  }

  #timeOut(timeoutMs: number): void {
    this.host.clock.read();
    const message = `The order was not done within ${timeoutMs} ms`;
    this.#decide('failed', { code: 'timeout', message, isTimeUp: true });
    // It had failed before, and its compensations are not over.
    this.#tell();
  }

  #complete(): void {
    this.#phase = 'over';
    this.#rest();
    this.#isConcluded = true;
    const { areDue } = this.#compensations;
    this.host.concluded(this.board, completed(this.board.results(), areDue));
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
    const error = this.#errorOf(this.board.results());
    this.#error = error;
    for (const task of this.board.tasks) this.#abort(task, error);
    if (this.#controller !== undefined) this.host.abort(this.#controller, error);
    const isDue = verdict.isTimeUp === true || outcome === 'canceled';
    if (isDue || !this.#mayCompensate()) this.#tell();
    if (this.board.running === 0) this.#proceed();
    else {
      if (this.isStalled) this.worker.free();
      this.#watch();
    }
  }

  #abort(task: Task, error: OrderError): void {
    if (task.isOver) return;
    task.abort(error);
    if (!task.isOver || task.attempts === 0) return;
    this.#compensations.ended(task);
    this.#report(this.board.set(task, 'canceled'));
  }

  /** Whether it is open what will be compensated. */
  #mayCompensate(): boolean {
    if (this.#compensations.areDue) return true;
    if (this.board.earlierAttempts > 0 && this.host.hasCompensations) return true;
    return this.#allTasks().some(({ state, step }) => state === 'running' && step.compensate);
  }

  /**
   * Whether the storage has not noted yet that the order does not complete. If the process ended after a compensation
   * and before that, the order would run again, and complete for a charge that was refunded.
   */
  get #mustWaitForNote(): boolean {
    if (this.#isNoting) return true;
    if (!this.#compensations.areDue) return false;
    const outcome = { status: this.#outcome, error: this.#error as OrderError };
    this.#isNoting = !this.host.isNoted(this, outcome);
    return this.#isNoting;
  }

  /** Nothing runs, or what does goes on regardless. */
  #proceed(): void {
    clearTimeout(this.#stallTimer);
    this.#compensations.addUnbegun(this.board, this.#error as OrderError);
    if (!this.#compensations.areDue) this.#conclude();
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
    if (this.#mustWaitForNote) return;
    if (this.#compensations.startNext(this)) return;
    if (this.board.running === 0 || this.isStalled) this.#conclude();
    else {
      // Some compensation's time was up, and it has just been told so.
      this.#phase = 'ending';
      this.#watch();
    }
  }

  #compensated(task: Task, verdict: Verdict | undefined): void {
    if (task !== this.#compensations.current) {
      // Its time was up, and it is told as failed.
      this.#oneEnded();
      return;
    }
    this.#reportCompensation(task, verdict);
    this.#compensateNext();
  }

  #reportCompensation(task: Task, verdict: Verdict | undefined): void {
    const result = compensationResult(task, verdict);
    this.#report(this.board.setCompensation(task.compensated as Task, result));
    this.#isAmended = this.#isConcluded;
    if (verdict !== undefined) this.host.compensationFailed(this, task.step.name, verdict);
  }

  #conclude(): void {
    this.#phase = 'over';
    this.#rest();
    if (this.board.running > 0) {
      this.#raiseStalled();
      this.worker.free();
    }
    if (this.#isHeld) {
      this.#phase = 'ending';
      this.#tell();
      return;
    }
    if (this.#isConcluded) {
      if (this.#isAmended) this.host.amended(this, this.board.results());
    } else {
      this.#isConcluded = true;
      const steps = this.board.results();
      const error = this.#errorOf(steps);
      const outcome = this.#outcome;
      this.host.concluded(this.board, { outcome, error, steps, isCompensable: false });
    }
    if (this.board.running === 0) this.#end();
  }

  /**
   * Whether the order stays unsettled in its storage until a step has ended that may have to be compensated: else
   * nothing would compensate it if the process ended meanwhile.
   */
  get #isHeld(): boolean {
    if (this.job.entry === undefined || isLeft(this.job)) return false;
    return this.board.tasks.some((task) => task.state === 'running' && task.step.compensate);
  }

  /** Something that was told to end has ended. */
  #oneEnded(): void {
    if (this.#phase === 'ending' && this.board.running === 0) this.#proceed();
    else if (this.#phase !== 'over') return;
    // It went on regardless, and the order was settled without it.
    else if (this.#compensations.areDue) this.#proceed();
    else if (this.board.running === 0) this.#end();
  }

  #end(): void {
    this.host.ended(this);
    this.worker.free();
  }

  #tell(): void {
    if (this.told !== undefined || this.#error === undefined) return;
    this.told = { status: this.#outcome, error: this.#error };
    this.host.told(this, this.told);
  }

  #report(result: StepResult): void {
    this.host.stepped(this.job, result);
  }

  #errorOf(steps: readonly StepResult[]): OrderError {
    return this.board.errorOf(this.#verdict as Verdict, this.#outcome, steps);
  }

  #allTasks(): Task[] {
    return [...this.board.tasks, ...this.#compensations.begun];
  }

  /** In a pause the user waits, and the worker does not. */
  #releaseIfPaused(): void {
    if (!this.#hasPaused || this.#isStarting || this.board.running > 0 || !this.worker.holds)
      return;
    const tasks = this.#allTasks().filter(({ isOver, needs }) => !isOver && needs === 0);
    if (tasks.length > 0 && tasks.every(({ isPaused }) => isPaused)) {
      this.worker.free();
      // It holds its user because it was told to pause.
      clearTimeout(this.#stallTimer);
    }
  }

  #wantWorker(): void {
    if (this.worker.want()) this.host.wantsWorker(this);
  }

  #watch(): void {
    clearTimeout(this.#stallTimer);
    this.#stallTimer = setTimeout(() => this.#stall(), this.host.stalledAfterMs);
  }

  #stall(): void {
    this.host.clock.read();
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
    this.host.stalled(this);
  }

  /** Nothing more is to be done but what runs. */
  #rest(): void {
    this.worker.renounce();
    clearTimeout(this.#deadline);
    clearTimeout(this.#stallTimer);
  }
}
