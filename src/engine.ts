import { Admission } from './admission.ts';
import type { Awaitable } from './awaitable.ts';
import { Clock } from './clock.ts';
import { Dispatcher } from './dispatch.ts';
import { isOrderError, type OrderError } from './errors.ts';
import { Funds } from './funds.ts';
import { Intake } from './intake.ts';
import { type Follower, Job, toResult } from './job.ts';
import { checkJson } from './json.ts';
import { Keeper } from './keeper.ts';
import type { Settings } from './options.ts';
import { ParsedOrder, parseOrder } from './order.ts';
import type { OrderOutcome, OrderRecord, Receipt } from './outcome.ts';
import { outcomeOfRecord } from './outcomes.ts';
import { Questions } from './questions.ts';
import { Reporter } from './reporter.ts';
import { Settler } from './settle.ts';
import { nothingToDo, storageFailed } from './settlements.ts';
import { bySignal, canceled, onAbort } from './signals.ts';
import type { ProcessorStats } from './stats.ts';
import type { CoreStorage, JournalStorage, Times } from './storage/core-storage.ts';

/** How far an order has come at once: its outcome, or the job to enter. */
export type Begun = OrderOutcome | Job;

/** The same, or a promise of a function that gives it, to be called at once. */
export type Beginning = Begun | Promise<() => Beginning>;

/** What most orders of a list are; a look at one property, since there may be a million of them. */
export function isOutcome(begun: Beginning): begun is OrderOutcome {
  return (begun as Partial<OrderOutcome>).status !== undefined;
}

/** What only those need to know who enter an order in a way of their own. */
interface Entry {
  readonly overflow: 'reject' | 'wait';
  readonly signal?: AbortSignal | undefined;
}

/**
 * An order's way from parsing to its outcome, for every way of handing it in. An order is refused,
 * found known, settled at once, or becomes a pending `Job` that is then entered: accepted, or made to
 * wait for room.
 */
export class Engine {
  readonly clock = new Clock();
  readonly reporter = new Reporter();
  readonly questions = new Questions();
  readonly dispatcher: Dispatcher;
  readonly intake: Intake;
  readonly admission: Admission;
  /** Where the storage keeps orders. */
  readonly keeper: Keeper | undefined;
  readonly #settler: Settler;
  readonly #copy: typeof ParsedOrder;
  /** Whether payloads must be JSON. */
  readonly #isJson: boolean;
  #isIdle = true;
  /** The order whose steps begin in its caller's call, and what it came to in that. */
  #starting: Job | undefined;
  #startOutcome: OrderOutcome | undefined;
  readonly #idleWaiters: (() => void)[] = [];
  readonly #drainWaiters: (() => void)[] = [];
  /** The times of an order that goes at once; one object for all, since each only copies from it. */
  readonly #instant = { acceptedAt: 0, startedAt: 0, settledAt: 0 };

  constructor(settings: Settings, storage: CoreStorage) {
    const { clock } = this;
    const { counts, events } = this.reporter;
    const storageHasFailed = (error: OrderError): void => {
      if (this.keeper === undefined) events.tell.error?.(error);
      else this.keeper.storageFailed(error);
    };
    this.#settler = new Settler(storage, clock, settings, {
      settled: (job, outcome, times) => this.#settled(job, outcome, times),
      refused: (job, error) => this.dispatcher.runner.refused(job, error),
      admitted: (job) => this.dispatcher.runner.admitted(job),
      known: (job, order) => this.keeper?.settledBefore(job, order),
      noted: (job, outcome) => this.keeper?.noted(job, outcome),
      delayed: (job, error) => this.keeper?.delayed(job, error),
      storageFailed: storageHasFailed,
    });
    const funds = new Funds(storage, settings, {
      slow: (error) => events.tell.error?.(error),
      failed: (error) => {
        if (this.keeper !== undefined) return this.keeper.outlive(error);
        events.tell.error?.(error);
        return false;
      },
    });
    this.dispatcher = new Dispatcher(settings, clock, events, this.#settler, funds, {
      ended: ({ userId }) => {
        this.intake.roomMayHaveCome(userId);
        this.#checkDrained();
      },
      told: (job, outcome) => {
        // What a caller is told must hold after a restart, too.
        if (job.entry === undefined) this.reporter.told(job, outcome);
        else this.#settler.note(job, outcome);
      },
    });
    const acceptingOf = (userId: string): number => this.keeper?.acceptingOf(userId) ?? 0;
    const { queue } = this.dispatcher;
    this.intake = new Intake(settings, storage, queue, counts, clock, acceptingOf);
    this.admission = new Admission(settings, this.intake);
    // What has steps becomes a job in any case, but where schema and rules may make another of it.
    this.#copy = this.dispatcher.hasSteps && !this.admission.hasHostCode ? Job : ParsedOrder;
    const journal = 'settle' in storage ? storage.journal : undefined;
    this.#isJson = journal?.isJson === true;
    this.keeper = journal && this.#keep(journal);
  }

  #keep(journal: JournalStorage): Keeper {
    const { clock, questions, reporter, dispatcher, intake, admission } = this;
    return new Keeper(journal, {
      clock,
      questions,
      reporter,
      dispatcher,
      intake,
      admission,
      settler: this.#settler,
      add: (job) => this.#add(job),
      enlist: (job) => this.#enlist(job),
      remove: (job) => this.#remove(job),
      settled: (job, outcome, times) => this.#settled(job, outcome, times),
      checkIdle: () => this.#checkIdle(),
    });
  }

  /**
   * Takes an order as far as it goes without waiting: its outcome if it is refused, was settled
   * before, or could be settled at once; else the job to `enter`, which may be an earlier caller's. If
   * the schema takes its time, a promise of a function that does so, to be called at once.
   *
   * @param signal - its caller's
   */
  begin(order: unknown, signal?: AbortSignal): Beginning {
    let parsed: ParsedOrder | undefined;
    try {
      parsed = parseOrder(order, this.#copy);
      if (signal?.aborted) throw canceled(parsed);
      const known = this.intake.known(parsed);
      // What was accepted once is not refused when it comes again.
      return known === undefined && this.admission.hasHostCode
        ? this.#beginWithCare(parsed, signal)
        : this.#admit(known, parsed, signal);
    } catch (error) {
      this.clock.now();
      return this.#refuse(error, parsed);
    }
  }

  /** What was accepted once is not refused for good when it comes again, which only the storage may know. */
  #refuse(error: unknown, order: ParsedOrder | undefined): Beginning {
    if (!this.#mayBeKept(error, order)) return this.reporter.refused(error);
    return (this.keeper as Keeper).knownInstead(order as ParsedOrder).then(
      (known) => () => {
        // Settled since it was found.
        if (known instanceof Job && this.intake.jobs.get(known.id) !== known) {
          return this.#refuse(error, order);
        }
        return this.#standIn(known) ?? this.reporter.refused(error);
      },
      (conflict) => () => this.reporter.refused(conflict),
    );
  }

  #mayBeKept(error: unknown, order: ParsedOrder | undefined): boolean {
    if (this.keeper === undefined || order === undefined) return false;
    if (!isOrderError(error)) return true;
    if (error.code !== 'order_conflict') return !error.retryable;
    // With one that may itself have taken another's id.
    const job = this.intake.jobs.get(order.id);
    return job !== undefined && job.entry === undefined;
  }

  #standIn(known: Job | OrderRecord | undefined): Begun | undefined {
    return known === undefined || known instanceof Job ? known : outcomeOfRecord(known);
  }

  /** The same where the host's schema or rules have a say. */
  #beginWithCare(order: ParsedOrder, signal: AbortSignal | undefined): Beginning {
    const checked = this.admission.check(order, signal);
    if (!(checked instanceof Promise)) return this.#judge(checked, signal);
    return checked.then(
      (late) => () => this.#judgeLate(late, signal),
      (error) => () => this.#refuse(error, order),
    );
  }

  #judge(order: ParsedOrder, signal: AbortSignal | undefined): Begun {
    const judged = this.admission.judge(order, signal);
    return judged instanceof ParsedOrder && !(judged instanceof Job)
      ? this.#admit(undefined, judged, signal)
      : this.#admit(judged, order, signal);
  }

  #admit(
    known: Job | OrderRecord | undefined,
    order: ParsedOrder,
    signal: AbortSignal | undefined,
  ): Begun {
    if (known !== undefined) {
      // For `deliver`, which asks whether the turn is spent as of the last reading; as in `begin`.
      this.clock.now();
      return this.#standIn(known) as Begun;
    }
    this.admission.checkOpen(order);
    if (this.#isJson) checkJson(order);
    if (!this.#mayGoAtOnce()) return Job.of(order);
    if (!this.dispatcher.hasSteps) return this.#goAtOnce(order);
    // Whoever may cancel it must be heard from the beginning.
    return signal === undefined ? this.#startAtOnce(order) : Job.of(order);
  }

  #judgeLate(order: ParsedOrder, signal: AbortSignal | undefined): Beginning {
    try {
      return this.#judge(order, signal);
    } catch (error) {
      return this.#refuse(error, order);
    }
  }

  /**
   * What `begin` came to, as a promise. Callers that await one order after the other go on in promise
   * callbacks, which all run before the event loop turns: now and then they are made to wait for it.
   */
  deliver(outcome: OrderOutcome): Promise<Receipt> {
    return this.clock.isTurnSpent
      ? this.clock.nextTurn().then(() => toResult(outcome))
      : Promise.resolve(toResult(outcome));
  }

  /** Enters `begin`'s job if that needs no waiting, which makes a promise of its receipt. */
  promiseOf(job: Job): Promise<Receipt> | undefined {
    const told = toldOf(job);
    if (told !== undefined) return this.deliver(told);
    const isKnown = this.intake.jobs.get(job.id) === job;
    if (!isKnown && !this.intake.hasRoomFor(job)) return undefined;
    // Before it is accepted: a listener of `accepted` may cancel it.
    const promise = job.promise();
    if (!isKnown) this.#accept(job);
    return promise;
  }

  /**
   * Enters `begin`'s job; `tell` hears its outcome, be it that it is refused. The promise is there
   * while the order waits for room.
   */
  enter(job: Job, { overflow, signal }: Entry, tell: Follower): Promise<void> | undefined {
    if (this.intake.jobs.get(job.id) === job) {
      this.#follow(job, false, signal, tell);
    } else if (this.intake.hasRoomFor(job)) {
      this.#follow(job, true, signal, tell);
      this.#accept(job);
    } else if (overflow === 'reject' && !this.#mayWait()) {
      const refusal = this.reporter.refused(this.intake.queueFull(job));
      if (!this.clock.hasTime()) return this.clock.nextTurn().then(() => void tell(refusal, true));
      tell(refusal, true);
    } else {
      return this.#wait(job, signal, tell);
    }
    return undefined;
  }

  /** Accepts an order without anybody following it; rejects if it is refused. */
  async enqueue(order: unknown, overflow: Entry['overflow']): Promise<OrderRecord> {
    let parsed: ParsedOrder | undefined;
    let entered: Job | OrderRecord;
    try {
      parsed = parseOrder(order);
      entered = this.intake.known(parsed) ?? (await this.#enterToQueue(parsed, overflow));
    } catch (thrown) {
      const known = await this.#knownInstead(thrown, parsed);
      if (isOrderError(known)) throw await this.#paced(known);
      entered = known;
    }
    const { keeper } = this;
    const isKept = entered instanceof Job && keeper !== undefined;
    return await this.#paced(isKept ? keeper.whenKept(entered as Job) : this.recordOf(entered));
  }

  async #enterToQueue(order: ParsedOrder, overflow: Entry['overflow']): Promise<Job | OrderRecord> {
    let checked = this.admission.check(order, undefined);
    if (checked instanceof Promise) checked = await checked;
    const admitted = this.admission.hasHostCode
      ? this.admission.judge(checked, undefined)
      : checked;
    if (!(admitted instanceof ParsedOrder) || admitted instanceof Job) return admitted;
    if (this.#isJson) checkJson(admitted);
    const job = Job.of(admitted);
    if (this.intake.hasRoomFor(job)) {
      this.#accept(job, true);
      return job;
    }
    if (overflow === 'wait' || this.#mayWait()) return await this.#waitToEnqueue(job);
    throw this.intake.queueFull(job);
  }

  /** The refusal of an order, or the order that its id stands for. */
  async #knownInstead(
    thrown: unknown,
    order: ParsedOrder | undefined,
  ): Promise<OrderError | Job | OrderRecord> {
    try {
      const known = this.#mayBeKept(thrown, order)
        ? await this.keeper?.knownInstead(order as ParsedOrder)
        : undefined;
      return known ?? this.reporter.refused(thrown).error;
    } catch (conflict) {
      return this.reporter.refused(conflict).error;
    }
  }

  /** A caller that enqueues one order after the other must let them be processed in between. */
  async #paced<T>(answer: Awaitable<T>): Promise<T> {
    // First, since nobody else listens to it.
    const value = await answer;
    if (!this.clock.hasTime()) await this.clock.nextTurn();
    return value;
  }

  #waitToEnqueue(job: Job): Promise<Job | OrderRecord> {
    return new Promise((resolve, reject) => {
      this.intake.wait(job, () => {
        try {
          resolve(this.#enterAtLast(job, { isEnqueued: true }));
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  /** Whether the order was canceled by this, once it is settled. */
  cancel(job: Job, message: string): Promise<boolean> {
    return new Promise((resolve) => {
      // It was told before that it is to fail or be canceled.
      if (job.entry?.decided !== undefined) return resolve(false);
      job.follow((outcome, isSettled) => {
        const isCanceled = outcome.status === 'canceled';
        // A storage that fails may settle it later.
        if (isCanceled || isSettled) resolve(isCanceled);
        return isCanceled || isSettled;
      });
      if (!this.#cancel(job, message)) resolve(false);
    });
  }

  /** Resolves when nothing accepted is unsettled. */
  onIdle(): Promise<void> {
    if (this.#hasNothingLeft) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Resolves when, beside that, no step runs. */
  onDrained(): Promise<void> {
    if (this.#hasNothingLeft && this.dispatcher.runner.isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#drainWaiters.push(resolve));
  }

  /** Cancels whatever is not decided yet. */
  async cancelAll(message: string): Promise<void> {
    for (const job of this.intake.jobs.all()) {
      if (!this.clock.hasTime()) await this.clock.nextTurn();
      this.#cancel(job, message);
    }
  }

  #cancel(job: Job, message: string): boolean {
    return this.keeper?.cancel(job, message) || this.dispatcher.cancel(job, message);
  }

  get #hasNothingLeft(): boolean {
    return this.intake.jobs.size === 0 && !this.intake.isRecovering;
  }

  /** Orders that come while those of an earlier life are taken up wait for that, within bounds. */
  #mayWait(): boolean {
    return this.intake.isRecovering && this.intake.mayWait;
  }

  /**
   * Gives up on orders that the storage has not confirmed: their callers hear that the outcome is
   * unknown. Gives the ids of those that were accepted. Steps that still run are no longer watched.
   */
  abandon(): string[] {
    this.#settler.drop();
    this.keeper?.close();
    const ids = this.intake.jobs.all().flatMap((job) => {
      const message = 'The storage did not answer before the deadline; the outcome is unknown';
      const error = storageFailed(message, undefined, job);
      const isAccepted = job.state !== 'accepting';
      job.state = 'abandoned';
      this.intake.jobs.delete(job);
      if (isAccepted) {
        const times = { acceptedAt: 0, startedAt: undefined, settledAt: 0 };
        this.reporter.settled({ status: 'failed', error }, times, this.clock.last, job);
      } else this.reporter.told(job, this.reporter.refused(error), true);
      return isAccepted ? [job.id] : [];
    });
    this.dispatcher.runner.abandonAll();
    this.#checkIdle();
    return ids;
  }

  /** What is known of an order as of now. */
  recordOf(known: Job | OrderRecord): OrderRecord {
    if (!(known instanceof Job)) return known;
    const settled = known.state === 'settled' ? this.intake.settled(known.id) : undefined;
    if (settled !== undefined) return settled;
    return known.toRecord(this.clock, known.run?.startedAt);
  }

  /** Every order that is accepted and unsettled; takes time for all of them. */
  recordsInFlight(): OrderRecord[] {
    return this.intake.jobs
      .all()
      .filter(({ state }) => state !== 'accepting')
      .map((job) => this.recordOf(job));
  }

  stats(state: ProcessorStats['state']): ProcessorStats {
    const { dispatcher, intake, keeper } = this;
    const { counts, timings } = this.reporter;
    const now = this.clock.read();
    return {
      state,
      storage: keeper?.isFailing ? 'failing' : intake.isRecovering ? 'recovering' : 'ready',
      recovered: keeper?.recovery.recovered ?? 0,
      isPaused: dispatcher.isPaused,
      ...counts,
      queueLength: dispatcher.queue.size,
      waitingCallers: intake.waitingCallers + this.admission.waiting,
      unsettled: intake.jobs.size,
      activeWorkers: dispatcher.activeWorkers,
      stalled: dispatcher.runner.stalledOrders,
      ...timings.percentiles(now),
      oldestWaitMs: now - (dispatcher.oldestWaiting ?? now),
      uptimeMs: now,
    };
  }

  /**
   * Nothing accepted may be unsettled: then no order of the same user can be overtaken. Nobody may
   * listen to what comes before the outcome: then nobody can tell it from an order that was queued.
   */
  #mayGoAtOnce(): boolean {
    const { tell } = this.reporter.events;
    return (
      this.#settler.isDirect &&
      this.intake.jobs.size === 0 &&
      !this.reporter.isTelling &&
      this.dispatcher.isPassable &&
      tell.accepted === undefined &&
      tell.started === undefined
    );
  }

  /** The short way: nobody waits for room, for an outcome or for idleness, so nobody is to be told. */
  #goAtOnce(order: ParsedOrder): OrderOutcome {
    const times = this.#instant;
    const now = this.clock.toUnix(this.clock.now());
    if (times.settledAt !== now) times.acceptedAt = times.startedAt = times.settledAt = now;
    const outcome = this.#settler.settleAtOnce(order, nothingToDo, times);
    this.reporter.counts.accepted += 1;
    this.reporter.settled(outcome, times, this.clock.last);
    // Unless a listener has just submitted another.
    if (this.#isIdle) this.reporter.idle();
    return outcome;
  }

  /** The same with steps: those that return at once are over here, and the rest goes on. */
  #startAtOnce(order: ParsedOrder): Begun {
    const job = Job.of(order);
    this.#register(job);
    this.#starting = job;
    this.dispatcher.start(job);
    const outcome = this.#startOutcome;
    this.#starting = undefined;
    this.#startOutcome = undefined;
    return outcome ?? job;
  }

  #register(job: Job): void {
    this.reporter.counts.accepted += 1;
    job.acceptedAt = this.clock.now();
    this.#add(job);
  }

  #add(job: Job): void {
    this.#isIdle = false;
    this.intake.jobs.add(job);
  }

  /** @param isEnqueued - whether somebody wants to know that it is accepted */
  #accept(job: Job, isEnqueued = false): void {
    job.acceptedAt = this.clock.now();
    this.#add(job);
    if (!this.keeper?.takes(job, isEnqueued)) this.#enlist(job);
  }

  /** The order is accepted. */
  #enlist(job: Job): void {
    this.reporter.counts.accepted += 1;
    // No worker begins before this returns, so `accepted` still comes first, and may cancel it.
    this.dispatcher.add(job);
    const { tell } = this.reporter.events;
    tell.accepted?.(job.toRecord(this.clock));
  }

  #wait(job: Job, signal: AbortSignal | undefined, tell: Follower): Promise<void> {
    return new Promise((resolve) => {
      let takeBack: (() => void) | undefined;
      const end = (outcome: OrderOutcome): void => {
        takeBack?.();
        resolve();
        tell(outcome, true);
      };
      let leave: (() => boolean) | undefined;
      try {
        takeBack =
          signal &&
          onAbort(signal, () => {
            if (leave?.()) end(this.reporter.refused(canceled(job)));
          });
      } catch (error) {
        return end(this.reporter.refused(error));
      }
      leave = this.intake.wait(job, () => {
        takeBack?.();
        try {
          // The signal of many may have made this room, by canceling another.
          if (signal?.aborted) throw canceled(job);
          const entered = this.#enterAtLast(job, {
            follow: () => this.#follow(job, true, signal, tell),
          });
          if (!(entered instanceof Job)) end(outcomeOfRecord(entered));
          else if (entered !== job) this.#follow(entered, false, signal, tell);
        } catch (error) {
          end(this.reporter.refused(error));
        }
        resolve();
      });
    });
  }

  /**
   * A waiting order's turn has come; meanwhile the processor may have shut down, or the id have become
   * known. Gives what stands for the order now.
   */
  #enterAtLast(
    job: Job,
    { follow, isEnqueued }: { follow?: () => void; isEnqueued?: boolean },
  ): Job | OrderRecord {
    this.admission.checkOpen(job);
    const known = this.intake.known(job);
    if (known !== undefined) return known;
    follow?.();
    this.#accept(job, isEnqueued);
    return job;
  }

  #follow(job: Job, isOwn: boolean, signal: AbortSignal | undefined, tell: Follower): void {
    const told = toldOf(job);
    if (told !== undefined && tell(told, false) !== false) return;
    if (signal === undefined) {
      job.follow(tell);
      return;
    }
    const takeBack = onAbort(signal, () => {
      if (isOwn) {
        this.#cancel(job, bySignal);
        return;
      }
      // Somebody else's order is not this caller's to cancel.
      job.unfollow(follower);
      tell({ status: 'canceled', error: canceled(job) }, true);
    });
    const follower: Follower = (outcome, isSettled) => {
      const hasHeard = tell(outcome, isSettled);
      if (hasHeard !== false) takeBack();
      return hasHeard;
    };
    job.follow(follower);
  }

  #settled(job: Job, outcome: OrderOutcome, times: Times): void {
    if (job === this.#starting) this.#startOutcome = outcome;
    this.intake.jobs.delete(job);
    this.dispatcher.settled(job);
    this.reporter.settled(outcome, times, this.clock.last, job);
    this.#roomMayHaveCome(job.userId);
    this.#checkIdle();
  }

  #remove(job: Job): void {
    this.intake.jobs.delete(job);
    this.#roomMayHaveCome(job.userId);
  }

  #roomMayHaveCome(userId: string): void {
    this.keeper?.recovery.roomMayHaveCome();
    this.intake.roomMayHaveCome(userId);
  }

  #checkIdle(): void {
    if (!this.#hasNothingLeft) return;
    // A listener may have settled more, and said so, before this order's own turn to say it.
    if (!this.#isIdle) {
      this.#isIdle = true;
      this.reporter.idle();
    }
    if (this.#idleWaiters.length > 0) {
      for (const resolve of this.#idleWaiters.splice(0)) resolve();
    }
    this.#checkDrained();
  }

  #checkDrained(): void {
    if (this.#drainWaiters.length === 0) return;
    if (!this.#hasNothingLeft || !this.dispatcher.runner.isIdle) return;
    for (const resolve of this.#drainWaiters.splice(0)) resolve();
  }
}

/** What its callers have been told of an order that is not settled. */
function toldOf({ entry, run }: Job): OrderOutcome | undefined {
  return entry === undefined ? run?.told : entry.told;
}
