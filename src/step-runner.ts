import { AsyncResource } from 'node:async_hooks';
import type { Awaitable } from './awaitable.ts';
import type { Clock } from './clock.ts';
import { OrderError } from './errors.ts';
import type { Events } from './events.ts';
import { Fifo } from './fifo.ts';
import type { Funds } from './funds.ts';
import type { Job } from './job.ts';
import { LinkedList } from './linked-list.ts';
import type { Settings } from './options.ts';
import type { StepResult, UnfulfilledOutcome } from './outcome.ts';
import { Run } from './pipeline.ts';
import type { Decision, RunListener } from './run-listener.ts';
import type { Settler } from './settle.ts';
import type { Task, Verdict } from './task.ts';

export interface StepRunnerListener {
  /** The order is settled and nothing of it runs: its user's next one may go. */
  released(job: Job): void;
  /** The same, where that came later than the settlement. */
  ended(job: Job): void;
  /** A run has something to do and no worker. */
  wantsWorker(): void;
  /** A caller need not wait for the order's settlement. */
  told(job: Job, outcome: UnfulfilledOutcome): void;
}

/** The runs of all orders with steps, from the beginning of an order to the end of its lane's wait. */
export class StepRunner implements RunListener {
  /**
   * Runs that have not ended, settled or not. Not a `Map`, here or by `userId` in the keyed queue: its
   * table is made anew again and again, and an old one that has been promoted keeps all that come after
   * it, and what stood in them, from the young generation's collector.
   */
  readonly #runs = new LinkedList<Run>();
  readonly #settings: Settings;
  readonly #clock: Clock;
  readonly #events: Events;
  readonly #settler: Settler;
  readonly #funds: Funds;
  readonly #listener: StepRunnerListener;
  /** Runs that gave their worker back and want one again; some may want it no more. */
  readonly #waiting = new Fifo<Run>();
  /** A run that was begun by its caller, and not by the worker that it holds from now on. */
  #begun: Run | undefined;
  #isTurnOfNew = false;
  /** Of orders on their way into the storage. */
  readonly #amendments = new WeakMap<Job, readonly StepResult[]>();

  constructor(
    settings: Settings,
    clock: Clock,
    events: Events,
    settler: Settler,
    funds: Funds,
    listener: StepRunnerListener,
  ) {
    this.#settings = settings;
    this.#clock = clock;
    this.#events = events;
    this.#settler = settler;
    this.#funds = funds;
    this.#listener = listener;
  }

  /** Whether any step can be taken back. */
  get hasCompensations(): boolean {
    return this.#settings.plan.steps.some(({ compensate }) => compensate);
  }

  /** How many runs hold a worker. */
  get active(): number {
    let active = 0;
    for (const run of this.#runs.all()) if (run.worker.holds) active += 1;
    return active;
  }

  /** How many orders hold their user for longer than they should. */
  get stalledOrders(): number {
    let stalled = 0;
    for (const run of this.#runs.all()) if (run.isStalled) stalled += 1;
    return stalled;
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
    job.scope = new AsyncResource('Order', { requireManualDestroy: true });
  }

  /** Begins an order in its caller's call; gives its run if that is not over on return. */
  start(job: Job): Run | undefined {
    const run = this.#runFor(job);
    this.#begun = run;
    run.start(this.#refusalOf(job));
    if (run.hasEnded) {
      this.#begun = undefined;
      return undefined;
    }
    this.admit(job);
    this.#add(run);
    if (!run.worker.holds) this.#begun = undefined;
    return run;
  }

  /**
   * Gives a worker something to do: a run that waits for one and a new order take turns, so neither
   * keeps the other waiting. Undefined if there is nothing.
   *
   * @param take - gives the next order whose turn it is
   */
  next(take: () => Job | undefined): Run | undefined {
    const begun = this.#begun;
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
  cancel(job: Job, message: string): boolean {
    const run = this.#runOf(job);
    if (run === undefined || run.isDecided) return false;
    run.cancel(message);
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
    // What stays in the storage is taken back in the next life.
    for (const run of this.#runs.all()) if (run.job.state !== 'abandoned') run.hurry();
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

  stepped({ job }: Run, step: StepResult): void {
    const { id: orderId, userId, labels } = job;
    this.#events.tell.stepped?.({ orderId, userId, labels, step });
  }

  retried({ job }: Run, task: Task, verdict: Verdict, delayMs: number): void {
    const { id: orderId, userId, labels } = job;
    this.#events.tell.retried?.({
      orderId,
      userId,
      labels,
      step: task.step.name,
      isCompensation: task.compensated !== undefined,
      attempt: task.attempts,
      delayMs,
      code: verdict.code,
      message: verdict.message,
      cause: verdict.cause,
    });
  }

  told({ job }: Run, outcome: UnfulfilledOutcome): void {
    this.#listener.told(job, outcome);
  }

  concluded(run: Run, decision: Decision): void {
    if (run.job.state === 'abandoned') return;
    this.#settler.add(run.job, decision, run.startedAt);
    this.#settler.flush();
  }

  amended({ job }: Run, steps: readonly StepResult[]): void {
    if (job.state === 'settled') this.#settler.amend(job, steps);
    else this.#amendments.set(job, steps);
  }

  compensationFailed({ job }: Run, step: string, { code, message, cause }: Verdict): void {
    const { id: orderId, userId, labels } = job;
    const text = `Step \`${step}\` could not be compensated, \`${code}\`: ${message}`;
    const error = new OrderError('compensation_failed', text, { orderId, userId, labels, cause });
    const { tell } = this.#events;
    if (tell.error !== undefined) tell.error(error);
    else warn(error.code, `Order ${orderId}: ${text}`);
  }

  predicateFailed({ job }: Run, { step }: Task, cause: unknown): void {
    const { id: orderId, userId, labels } = job;
    const message = `\`retryIf\` of step \`${step.name}\` threw`;
    const error = new OrderError('internal', message, { orderId, userId, labels, cause });
    this.#events.tell.error?.(error);
  }

  stalled(run: Run): void {
    const { id: orderId, userId, labels } = run.job;
    const runningMs = this.#clock.read() - run.startedAt;
    const steps = run.unended;
    const { stalled } = this.#events.tell;
    if (stalled !== undefined) stalled({ orderId, userId, labels, runningMs, steps });
    else
      warn(
        'stalled',
        `Order ${orderId} holds its user after ${runningMs} ms in ${steps.join(', ') || 'a question to the storage'}`,
      );
  }

  wantsWorker(run: Run): void {
    this.#waiting.push(run);
    this.#listener.wantsWorker();
  }

  ended(run: Run): void {
    const { state } = run.job;
    if (state !== 'settled' && state !== 'abandoned') return;
    if (this.#release(run)) this.#listener.ended(run.job);
  }

  #run(job: Job): Run {
    const run = this.#runFor(job);
    this.#add(run);
    this.#events.tell.started?.(job.toRecord(this.#clock, run.startedAt));
    // A listener may have canceled it.
    if (!run.isDecided) run.inScope(() => run.start(this.#refusalOf(job)));
    return run;
  }

  /** Why an order fails without its steps being run. */
  #refusalOf(job: Job): Awaitable<Verdict | undefined> {
    const decided = job.entry?.decided;
    if (decided === undefined) return this.#funds.refusalOf(job);
    // Its callers were told in an earlier life. What may have been done then is done again, with the
    // same idempotency keys, only if it can be taken back.
    return this.hasCompensations ? undefined : decided;
  }

  #runFor(job: Job): Run {
    job.state = 'processing';
    return new Run(job, this.#settings.plan, this.#clock, this.#settings, this);
  }

  #runOf(job: Job): Run | undefined {
    return job.run ?? (this.#begun?.job === job ? this.#begun : undefined);
  }

  #add(run: Run): void {
    run.job.run = run;
    this.#runs.push(run);
  }

  /** The order is settled and its steps have ended; false if that was known. */
  #release(run: Run): boolean {
    if (run.job.run !== run) return false;
    run.job.run = undefined;
    this.#runs.remove(run);
    this.#listener.released(run.job);
    // Else its own worker is about to look for more.
    if (!run.worker.holds) this.#listener.wantsWorker();
    return true;
  }
}

/** Somebody must hear of it, even where nobody listens. */
function warn(code: string, message: string): void {
  process.emitWarning(message, { type: 'OrderProcessorWarning', code });
}
