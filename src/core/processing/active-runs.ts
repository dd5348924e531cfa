import { Fifo } from '../collections/fifo.ts';
import { LinkedList } from '../collections/linked-list.ts';
import { willHold } from '../lifecycle/entry.ts';
import type { Job } from '../lifecycle/job.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import { isLeft, isOver } from '../lifecycle/order-state.ts';
import type { Decision, Verdict } from '../order/decision.ts';
import type { OrderError } from '../order/order-error.ts';
import type { UnfulfilledOutcome } from '../order/outcome.ts';
import type { RememberedStep, StepResult } from '../order/step-result.ts';
import { AwaitedUsers } from '../queries/awaited-users.ts';
import type { Cancellation } from '../runtime/abort.ts';
import type { Awaitable } from '../runtime/awaitable.ts';
import type { Clock } from '../runtime/clock.ts';
import { StepScope } from '../runtime/step-scope.ts';
import type { FundsCheck } from '../settlement/funds-check.ts';
import type { Settler } from '../settlement/settler.ts';
import type { RunObserver, Worker } from '../steps/run/run-observer.ts';
import { RunSettings } from '../steps/run/run-settings.ts';
import { StepRun } from '../steps/run/step-run.ts';
import type { ActiveRunsListener } from './active-runs-listener.ts';
import { StepReports } from './step-reports.ts';
import { StepWorkers } from './step-workers.ts';

/** The runs of all orders with steps, from the beginning of an order until its lane is released. */
export class ActiveRuns extends StepReports implements RunObserver<Job> {
  /**
   * Runs that have not ended, settled or not. Not a `Map`: it makes new tables again and again, and an old table in the
   * old generation keeps all later runs from the young generation's collector.
   */
  readonly #runs = new LinkedList<StepRun<Job>>();
  readonly awaited: AwaitedUsers;
  readonly #settings: RunSettings<Job>;
  readonly #lifecycle: Lifecycle;
  readonly #settler: Settler;
  readonly #funds: FundsCheck;
  readonly #listener: ActiveRunsListener;
  readonly #workers: StepWorkers;
  /** Orders whose runs have freed their worker and have asked for one again; some may not need it any more. */
  readonly #waiting = new Fifo<Job>();
  #isTurnOfNew = false;
  /** What is decided is settled from now on, though it was to hold its lane. */
  #isHurried = false;
  /** Runs of orders on their way into the storage. */
  readonly #amendments = new WeakMap<Job, readonly StepResult[]>();

  /** @param take - gives the next order whose turn it is */
  constructor(
    settings: ConstructorParameters<typeof RunSettings>[0],
    clock: Clock,
    lifecycle: Lifecycle,
    settler: Settler,
    funds: FundsCheck,
    listener: ActiveRunsListener,
    take: () => Job | undefined,
  ) {
    super(lifecycle.events);
    this.#lifecycle = lifecycle;
    this.#settings = new RunSettings(settings, clock, this);
    this.awaited = new AwaitedUsers(this, settings.plan.steps.length > 0);
    this.#settler = settler;
    this.#funds = funds;
    this.#listener = listener;
    this.#workers = new StepWorkers(clock, { begin: (worker) => this.#next(worker, take) });
  }

  /** Whether any step can be compensated. */
  get hasCompensations(): boolean {
    return this.#settings.hasCompensations;
  }

  /** All runs as of now. */
  get all(): readonly StepRun<Job>[] {
    return this.#runs.all();
  }

  /** When an order's steps began, on the processor's clock, if they have and have not all ended. */
  startedAtOf(job: Job): number | undefined {
    return job.run?.startedAt;
  }

  get isIdle(): boolean {
    return this.#runs.isEmpty;
  }

  get hasWaiting(): boolean {
    return !this.#waiting.isEmpty;
  }

  /** An order is accepted: its steps are to see the `AsyncLocalStorage` values of its own caller. */
  admit(job: Job): void {
    job.scope ??= new StepScope(this, job.userId);
  }

  /**
   * Has a worker run orders until there is none.
   * @param leave - called in the same call in which there are none left
   */
  work<T>(leave: () => Promise<T>): Promise<T> {
    return this.#workers.work(leave);
  }

  /** The processor has closed. */
  close(): void {
    this.#workers.close();
  }

  /** Cancels an order that is being processed; false if it is decided. */
  cancel(job: Job, cancellation: Cancellation): boolean {
    const { run } = job;
    if (run === undefined || run.isDecided) return false;
    run.cancel(cancellation);
    return true;
  }

  /** The settler has settled an order. */
  settled(job: Job): void {
    const steps = this.#amendments.get(job);
    if (steps !== undefined) this.#settler.amend(job, steps);
    if (job.run?.hasEnded) this.#release(job.run);
  }

  /** The order is forgotten: its running functions are aborted. */
  abandon(job: Job, cancellation: Cancellation): void {
    job.run?.abandon(cancellation);
    if (job.run?.hasEnded) this.#release(job.run);
  }

  /** The storage refused the order's amount: its steps are compensated. */
  refused(job: Job, error: OrderError): void {
    job.run?.refused(error);
  }

  /** The storage has taken an amount that it was expected to refuse: the steps are run after all. */
  admitted(job: Job): void {
    job.run?.admitted();
  }

  /** Aborted functions that have not ended are not waited for any more. */
  hurryAll(): void {
    this.#isHurried = true;
    // The steps of orders that stay in the storage are compensated after the next start.
    for (const run of this.#runs.all()) if (!isLeft(run.order)) run.hurry();
  }

  /** Settles every decided order, even if its functions go on. */
  concludeAll(): void {
    for (const run of this.#runs.all()) run.conclude(isLeft(run.order));
  }

  /** Removes runs that have ended; the others are no longer watched. */
  abandonAll(): void {
    for (const run of this.#runs.all()) {
      if (run.hasEnded) this.#release(run);
      else run.unwatch();
    }
  }

  decidedAgainst(job: Job, holds: boolean): void {
    if (holds) job.tries = willHold(job.tries);
    this.#lifecycle.end(job);
  }

  mayHold(job: Job): boolean {
    return job.tries?.mayHold === true && !this.#isHurried && !isLeft(job);
  }

  certain(job: Job, outcome: UnfulfilledOutcome): void {
    if (isLeft(job)) return;
    this.#listener.notified(job, outcome);
  }

  isNoted(job: Job, outcome: UnfulfilledOutcome): boolean {
    const { entry, state } = job;
    if (entry === undefined || state !== 'ending') return true;
    if (entry.decided !== undefined || entry.isNoted) return true;
    this.#settler.note(job, outcome);
    return false;
  }

  remember(job: Job, step: RememberedStep): boolean {
    job.remembered = [...(job.remembered ?? []), step];
    if (this.isKept(job)) this.#listener.remember(job);
    return this.isKept(job);
  }

  concluded(job: Job, decision: Decision, startedAt: number): void {
    if (isLeft(job)) return;
    if (job.tries !== undefined && this.mayHold(job)) {
      job.tries.held = { decision, startedAt };
      return;
    }
    this.#settler.add(job, decision, startedAt);
    this.#settler.flush();
  }

  amended(job: Job, steps: readonly StepResult[]): void {
    if (job.state === 'settled') this.#settler.amend(job, steps);
    else this.#amendments.set(job, steps);
  }

  wantsWorker(job: Job): void {
    this.#waiting.push(job);
    this.#listener.wantsWorker();
  }

  ended(job: Job): void {
    if (job.run === undefined) return;
    if (job.tries?.held !== undefined && !isOver(job)) {
      this.#leave(job.run);
      this.#listener.held(job);
      return;
    }
    if (!isOver(job)) return;
    this.#release(job.run);
    this.#listener.ended(job);
  }

  /**
   * Gives a worker something to do: a run that waits for one and a new order take turns, so neither
   * keeps the other waiting. False if there is nothing.
   */
  #next(worker: Worker, take: () => Job | undefined): boolean {
    this.#isTurnOfNew = !this.#isTurnOfNew;
    if (this.#isTurnOfNew || this.#waiting.isEmpty) {
      const job = take();
      if (job !== undefined) {
        this.#run(job, worker);
        return true;
      }
    }
    if (this.#resume(worker)) return true;
    // The runs that waited did not need a worker any more.
    const job = this.#isTurnOfNew ? undefined : take();
    if (job !== undefined) this.#run(job, worker);
    return job !== undefined;
  }

  /** False if no run wants the worker. */
  #resume(worker: Worker): boolean {
    while (!this.#waiting.isEmpty) {
      if (this.#waiting.shift()?.run?.resume(worker)) return true;
    }
    return false;
  }

  #run(job: Job, worker: Worker): void {
    this.admit(job);
    const run = this.#newRun(job, worker);
    this.#listener.began(job, run.startedAt);
    this.#lifecycle.started(job, run.startedAt);
    // Unless a listener has canceled it.
    if (!run.isDecided) job.scope?.enter(this.#start, run);
  }

  #newRun(job: Job, worker: Worker): StepRun<Job> {
    this.#lifecycle.move(job, 'processing');
    const run = new StepRun(job, this.#settings, worker);
    job.run = run;
    job.scope?.begin(run);
    this.#runs.push(run);
    return run;
  }

  readonly #start = (run: StepRun<Job>): void => run.start(this.#refusalOf(run.order));

  /** Why an order fails without its steps being run. */
  #refusalOf(job: Job): Awaitable<Verdict | undefined> {
    const decided = job.entry?.decided ?? job.entry?.canceled;
    // If it was decided, its callers were notified: its steps are compensated, and not run again.
    return decided ?? this.#funds.refusalOf(job);
  }

  /** None of the run's functions runs. */
  #leave(run: StepRun<Job>): void {
    run.order.run = undefined;
    this.#runs.remove(run);
    this.awaited.delete(run.order.userId);
  }

  /** The order is settled and its steps have ended. */
  #release(run: StepRun<Job>): void {
    const { order: job } = run;
    this.#leave(run);
    job.leaveScope();
    this.#listener.released(job);
    // Otherwise its own worker is about to take the next order.
    if (!run.hasWorker) this.#listener.wantsWorker();
  }
}
