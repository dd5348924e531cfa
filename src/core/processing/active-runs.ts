import { AsyncResource } from 'node:async_hooks';
import { Fifo } from '../collections/fifo.ts';
import { LinkedList } from '../collections/linked-list.ts';
import type { Events } from '../lifecycle/events.ts';
import type { Job } from '../lifecycle/job.ts';
import { isLeft, isOver, moveTo } from '../lifecycle/order-state.ts';
import type { Verdict } from '../order/decision.ts';
import { completed, type Decision } from '../order/decision.ts';
import { OrderError } from '../order/order-error.ts';
import type { UnfulfilledOutcome } from '../order/outcome.ts';
import type { StepResult } from '../order/step-result.ts';
import { AwaitedUsers } from '../queries/awaited-users.ts';
import type { Cancellation } from '../runtime/abort.ts';
import type { Awaitable } from '../runtime/awaitable.ts';
import type { Clock } from '../runtime/clock.ts';
import { escapeControls, quote } from '../runtime/thrown.ts';
import type { FundsCheck } from '../settlement/funds-check.ts';
import type { Settler } from '../settlement/settler.ts';
import type { RunObserver } from '../steps/run-observer.ts';
import type { Task } from '../steps/step-execution.ts';
import type { StepPlan } from '../steps/step-plan.ts';
import { StepBoard } from '../steps/step-results.ts';
import type { Run } from '../steps/step-run.ts';

export interface ActiveRunsListener {
  /** The order is settled and nothing of it runs: its user's next one may go. */
  released(job: Job): void;
  /** The same, where that came later than the settlement. */
  ended(job: Job): void;
  /** A run has something to do and no worker. */
  wantsWorker(): void;
  /** A caller need not wait for the order's settlement. */
  told(job: Job, outcome: UnfulfilledOutcome): void;
}

/** The options of the processor that running steps depends on. */
export interface RunSettings {
  readonly plan: StepPlan;
  readonly timeoutMs: number | undefined;
  readonly stalledAfterMs: number;
}

/** The runs of all orders with steps, from the beginning of an order to the end of its lane's wait. */
export class ActiveRuns implements RunObserver {
  /**
   * Runs that have not ended, settled or not. Not a `Map`, here or by `userId` in the keyed queue: its
   * table is made anew again and again, and an old one that has been promoted keeps all that come after
   * it, and what stood in them, from the young generation's collector.
   */
  readonly #runs = new LinkedList<Run>();
  readonly plan: StepPlan;
  readonly timeoutMs: number | undefined;
  readonly stalledAfterMs: number;
  readonly hasCompensations: boolean;
  readonly clock: Clock;
  readonly awaited: AwaitedUsers;
  readonly #events: Events;
  readonly #settler: Settler;
  readonly #funds: FundsCheck;
  readonly #listener: ActiveRunsListener;
  /** Runs that gave their worker back and want one again; some may want it no more. */
  readonly #waiting = new Fifo<Run>();
  /** Of an order that was begun by its caller, and not by the worker that it holds from now on. */
  #begun: StepBoard | undefined;
  #isTurnOfNew = false;
  /** Of orders on their way into the storage. */
  readonly #amendments = new WeakMap<Job, readonly StepResult[]>();

  constructor(
    { plan, timeoutMs, stalledAfterMs }: RunSettings,
    clock: Clock,
    events: Events,
    settler: Settler,
    funds: FundsCheck,
    listener: ActiveRunsListener,
  ) {
    this.plan = plan;
    this.awaited = new AwaitedUsers(this, plan.steps.length > 0);
    this.hasCompensations = plan.steps.some(({ compensate }) => compensate !== undefined);
    this.timeoutMs = timeoutMs;
    this.stalledAfterMs = stalledAfterMs;
    this.clock = clock;
    this.#events = events;
    this.#settler = settler;
    this.#funds = funds;
    this.#listener = listener;
  }

  /** How many runs hold a worker, or will if they are not over at once. */
  get active(): number {
    const begun = this.#begun;
    // One that has ended already, before a busy event loop let a worker take it over, is none.
    const isBeginning =
      begun !== undefined && begun.job.run === undefined && begun.run?.hasEnded !== true;
    return this.#runs.all().filter(({ worker }) => worker.holds).length + (isBeginning ? 1 : 0);
  }

  /** When an order's steps began, on the processor's clock, if they have and have not all ended. */
  startedAtOf(job: Job): number | undefined {
    return (job.run?.board ?? (this.#begun?.job === job ? this.#begun : undefined))?.startedAt;
  }

  /** How many orders hold their user for longer than they should. */
  get stalledOrders(): number {
    return this.#runs.all().filter(({ isStalled }) => isStalled).length;
  }

  get isIdle(): boolean {
    return this.#runs.isEmpty;
  }

  /** Ids of the orders whose steps have not all ended. */
  get running(): string[] {
    return this.#runs.all().map(({ job }) => job.id);
  }

  get hasWaiting(): boolean {
    return !this.#waiting.isEmpty;
  }

  /** An order is accepted: its steps are to see the `AsyncLocalStorage` values of its own caller. */
  admit(job: Job): void {
    const before = job.scope;
    job.scope = new AsyncResource('Order', { requireManualDestroy: true });
    before?.emitDestroy();
  }

  /** Begins an order in its caller's call; gives its run if that is not over on return. */
  start(job: Job): Run | undefined {
    const board = this.#boardFor(job);
    return board.scope.run(() => this.#begin(job, board));
  }

  #begin(job: Job, board: StepBoard): Run | undefined {
    this.#begun = board;
    // What a step does to its async context must not be its caller's.
    this.admit(job);
    const run = (job.scope as AsyncResource).runInAsyncScope(this.#startHere, undefined, board);
    if (run === undefined) this.concluded(board, completed(board.results(), false));
    if (run === undefined || run.hasEnded) {
      this.#begun = undefined;
      this.#close(board);
      job.leaveScope();
      return undefined;
    }
    this.#add(run);
    if (!run.worker.holds) this.#begun = undefined;
    return run;
  }

  /** Gives the order's run, unless all of its steps have finished at once. */
  readonly #startHere = (board: StepBoard): Run | undefined => {
    const refusal = this.#refusalOf(board.job);
    if (refusal === undefined) board.start();
    const run = board.isDone ? board.run : board.toRun();
    run?.start(refusal);
    return run;
  };

  /**
   * Gives a worker something to do: a run that waits for one and a new order take turns, so neither
   * keeps the other waiting. Undefined if there is nothing.
   *
   * @param take - gives the next order whose turn it is
   */
  next(take: () => Job | undefined): Run | undefined {
    const begun = this.#begun?.run;
    this.#begun = undefined;
    if (begun?.worker.holds) return begun;
    this.#isTurnOfNew = !this.#isTurnOfNew;
    if (this.#isTurnOfNew || this.#waiting.isEmpty) {
      const job = take();
      if (job !== undefined) return this.#run(job);
    }
    const run = this.#waiting.shift();
    run?.resume();
    return run;
  }

  /** Cancels an order that is being processed; false if it is decided. */
  cancel(job: Job, cancellation: Cancellation): boolean {
    const run = this.#runOf(job);
    if (run === undefined || run.isDecided) return false;
    run.cancel(cancellation);
    return true;
  }

  /** The settler is done with an order. */
  settled(job: Job): void {
    const steps = this.#amendments.get(job);
    if (steps !== undefined) this.#settler.amend(job, steps);
    const { run } = job;
    if (run?.hasEnded) this.#release(run);
  }

  /** The storage did not take the order's amount: its steps are to be compensated. */
  refused(job: Job, error: OrderError): void {
    this.#runOf(job)?.refused(error);
  }

  /** What was told to end and has not is waited for no longer. */
  hurryAll(): void {
    // What stays in the storage is compensated after the next start.
    for (const run of this.#runs.all()) if (!isLeft(run.job)) run.hurry();
  }

  /** The storage has taken an amount that it was thought to refuse: the steps are run after all. */
  admitted(job: Job): void {
    this.#runOf(job)?.admitted();
  }

  /** Whatever is decided is settled, though its functions go on. */
  concludeAll(): void {
    for (const run of this.#runs.all()) run.conclude();
  }

  /** Runs that have ended are done with; the rest is no longer watched. */
  abandonAll(): void {
    for (const run of this.#runs.all()) {
      if (run.hasEnded) this.#release(run);
      else run.unwatch();
    }
  }

  abort(controller: AbortController, reason: OrderError): void {
    this.#events.abort(controller, reason);
  }

  stepped(job: Job, step: StepResult): void {
    this.#events.tell.stepped?.({ ...job.facts, step });
  }

  retried({ job }: Run, task: Task, { code, message, cause }: Verdict, delayMs: number): void {
    this.#events.tell.retried?.({
      ...job.facts,
      step: task.step.name,
      isCompensation: task.compensated !== undefined,
      attempt: task.attempts,
      delayMs,
      code,
      message,
      cause,
    });
  }

  told({ job }: Run, outcome: UnfulfilledOutcome): void {
    this.#listener.told(job, outcome);
  }

  isNoted({ job }: Run, outcome: UnfulfilledOutcome): boolean {
    const { entry, state } = job;
    if (entry === undefined || state !== 'processing') return true;
    if (entry.decided !== undefined || entry.isNoted) return true;
    this.#settler.note(job, outcome);
    return false;
  }

  concluded({ job, startedAt }: StepBoard, decision: Decision): void {
    if (isLeft(job)) return;
    this.#settler.add(job, decision, startedAt);
    this.#settler.flush();
  }

  amended({ job }: Run, steps: readonly StepResult[]): void {
    if (job.state === 'settled') this.#settler.amend(job, steps);
    else this.#amendments.set(job, steps);
  }

  compensationFailed({ job }: Run, step: string, { code, message, cause }: Verdict): void {
    const text = `Step \`${step}\` could not be compensated, \`${code}\`: ${message}`;
    const error = new OrderError('compensation_failed', text, { ...job.facts, cause });
    const { tell } = this.#events;
    if (tell.error !== undefined) tell.error(error);
    else warn(error.code, `Order ${quote(job.id)}: ${text}`);
  }

  predicateFailed(job: Job, step: string, cause: unknown): void {
    const message = `\`retryIf\` of step \`${step}\` threw, or answered with no boolean`;
    const error = new OrderError('internal', message, { ...job.facts, cause });
    this.#events.tell.error?.(error);
  }

  stalled({ job, board, unended: steps }: Run): void {
    const runningMs = this.clock.read() - board.startedAt;
    const { stalled } = this.#events.tell;
    if (stalled !== undefined) stalled({ ...job.facts, runningMs, steps });
    else
      warn(
        'stalled',
        `Order ${quote(job.id)} holds its user after ${runningMs} ms in ${steps.join(', ') || 'a question to the storage'}`,
      );
  }

  wantsWorker(run: Run): void {
    this.#waiting.push(run);
    this.#listener.wantsWorker();
  }

  ended(run: Run): void {
    if (!isOver(run.job)) return;
    if (this.#release(run)) this.#listener.ended(run.job);
  }

  #run(job: Job): Run {
    const run = this.#boardFor(job).toRun();
    // Its steps are in its scope from now on, in the async context of its caller.
    run.inScope(() => run.board.scope.run(() => this.admit(job)));
    this.#add(run);
    this.#events.tell.started?.(job.toRecord(this.clock, run.board.startedAt));
    // A listener may have canceled it.
    if (!run.isDecided) run.inScope(() => run.start(this.#refusalOf(job)));
    return run;
  }

  /** Why an order fails without its steps being run. */
  #refusalOf(job: Job): Awaitable<Verdict | undefined> {
    const decided = job.entry?.decided ?? job.entry?.canceled;
    if (decided === undefined) return this.#funds.refusalOf(job);
    // Its callers were told already. What its steps may have done is compensated, and not done again.
    return decided;
  }

  #boardFor(job: Job): StepBoard {
    moveTo(job, 'processing');
    return new StepBoard(job, this);
  }

  #runOf(job: Job): Run | undefined {
    return job.run ?? (this.#begun?.job === job ? this.#begun.toRun() : undefined);
  }

  #add(run: Run): void {
    run.job.run = run;
    this.#runs.push(run);
  }

  #close({ scope, job }: StepBoard): void {
    scope.end();
    this.awaited.delete(job.userId);
  }

  /** The order is settled and its steps have ended; false if that was known. */
  #release(run: Run): boolean {
    if (run.job.run !== run) return false;
    run.job.run = undefined;
    run.job.leaveScope();
    this.#runs.remove(run);
    this.#close(run.board);
    this.#listener.released(run.job);
    // Else its own worker is about to look for more.
    if (!run.worker.holds) this.#listener.wantsWorker();
    return true;
  }
}

/** Somebody must hear of it, even where nobody listens. */
function warn(code: string, message: string): void {
  process.emitWarning(escapeControls(message), { type: 'OrderProcessorWarning', code });
}
