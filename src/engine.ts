import { Admission } from './admission.ts';
import { Clock } from './clock.ts';
import { Dispatcher } from './dispatch.ts';
import { Intake } from './intake.ts';
import { type Follower, Job, toResult } from './job.ts';
import type { Settings } from './options.ts';
import { ParsedOrder, parseOrder } from './order.ts';
import type { OrderOutcome, OrderRecord, Receipt } from './outcome.ts';
import { outcomeOfRecord } from './outcomes.ts';
import { Reporter } from './reporter.ts';
import { nothingToDo, Settler, storageFailed } from './settle.ts';
import { bySignal, canceled, onAbort } from './signals.ts';
import type { ProcessorStats } from './stats.ts';
import type { OrderStorage, Times } from './storage/order-storage.ts';

/** How far an order has come at once: its outcome, or the job to enter. */
export type Begun = OrderOutcome | Job;

/** What most orders of a list are; a look at one property, since there may be a million of them. */
export function isOutcome(begun: Begun | Promise<() => Begun>): begun is OrderOutcome {
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
  readonly dispatcher: Dispatcher;
  readonly intake: Intake;
  readonly admission: Admission;
  readonly #settler: Settler;
  readonly #copy: typeof ParsedOrder;
  #isIdle = true;
  /** The order whose steps begin in its caller's call, and what it came to in that. */
  #starting: Job | undefined;
  #startOutcome: OrderOutcome | undefined;
  readonly #idleWaiters: (() => void)[] = [];
  readonly #drainWaiters: (() => void)[] = [];
  /** The times of an order that goes at once; one object for all, since each only copies from it. */
  readonly #instant = { acceptedAt: 0, startedAt: 0, settledAt: 0 };

  constructor(settings: Settings, storage: OrderStorage) {
    const { clock } = this;
    const { counts, events } = this.reporter;
    this.#settler = new Settler(storage, clock, settings, {
      settled: (job, outcome, times) => this.#settled(job, outcome, times),
      refused: (job, error) => this.dispatcher.runner.refused(job, error),
      admitted: (job) => this.dispatcher.runner.admitted(job),
      storageFailed: (error) => events.tell.error?.(error),
    });
    this.dispatcher = new Dispatcher(settings, clock, events, this.#settler, {
      ended: ({ userId }) => {
        this.intake.roomMayHaveCome(userId);
        this.#checkDrained();
      },
      told: (job, outcome) => this.reporter.told(job, outcome),
    });
    this.intake = new Intake(settings, storage, this.dispatcher.queue, counts, clock);
    this.admission = new Admission(settings, this.intake);
    // What has steps becomes a job in any case, but where schema and rules may make another of it.
    this.#copy = this.dispatcher.hasSteps && !this.admission.hasHostCode ? Job : ParsedOrder;
  }

  /**
   * Takes an order as far as it goes without waiting: its outcome if it is refused, was settled
   * before, or could be settled at once; else the job to `enter`, which may be an earlier caller's. If
   * the schema takes its time, a promise of a function that does so, to be called at once.
   *
   * @param signal - its caller's
   */
  begin(order: unknown, signal?: AbortSignal): Begun | Promise<() => Begun> {
    try {
      const parsed = parseOrder(order, this.#copy);
      if (signal?.aborted) throw canceled(parsed);
      const known = this.intake.known(parsed);
      // What was accepted once is not refused when it comes again.
      return known === undefined && this.admission.hasHostCode
        ? this.#beginWithCare(parsed, signal)
        : this.#admit(known, parsed, signal);
    } catch (error) {
      this.clock.now();
      return this.reporter.refused(error);
    }
  }

  /** The same where the host's schema or rules have a say. */
  #beginWithCare(
    order: ParsedOrder,
    signal: AbortSignal | undefined,
  ): Begun | Promise<() => Begun> {
    const checked = this.admission.check(order, signal);
    if (!(checked instanceof Promise)) return this.#judge(checked, signal);
    return checked.then(
      (late) => () => this.#judgeLate(late, signal),
      (error) => () => this.reporter.refused(error),
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
      return known instanceof Job ? known : outcomeOfRecord(known);
    }
    this.admission.checkOpen(order);
    if (!this.#mayGoAtOnce()) return Job.of(order);
    if (!this.dispatcher.hasSteps) return this.#goAtOnce(order);
    // Whoever may cancel it must be heard from the beginning.
    return signal === undefined ? this.#startAtOnce(order) : Job.of(order);
  }

  #judgeLate(order: ParsedOrder, signal: AbortSignal | undefined): Begun {
    try {
      return this.#judge(order, signal);
    } catch (error) {
      return this.reporter.refused(error);
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
    const told = job.run?.told;
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
    } else if (overflow === 'reject') {
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
    try {
      const parsed = parseOrder(order);
      const known = this.intake.known(parsed);
      if (known !== undefined) return await this.#paced(this.recordOf(known));
      let checked = this.admission.check(parsed, undefined);
      if (checked instanceof Promise) checked = await checked;
      const record = this.#tryEnqueue(checked);
      if (!(record instanceof Job)) return await this.#paced(record);
      if (overflow === 'wait') return await this.#waitToEnqueue(record);
      throw this.intake.queueFull(record);
    } catch (thrown) {
      throw await this.#paced(this.reporter.refused(thrown).error);
    }
  }

  /** A caller that enqueues one order after the other must let them be processed in between. */
  async #paced<T>(answer: T): Promise<T> {
    if (!this.clock.hasTime()) await this.clock.nextTurn();
    return answer;
  }

  #waitToEnqueue(job: Job): Promise<OrderRecord> {
    return new Promise((resolve, reject) => {
      this.intake.wait(job, () => {
        try {
          resolve(this.recordOf(this.#enterAtLast(job)));
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  /** Whether the order was canceled by this, once it is settled. */
  cancel(job: Job, message: string): Promise<boolean> {
    return new Promise((resolve) => {
      job.follow((outcome) => resolve(outcome.status === 'canceled'));
      if (!this.dispatcher.cancel(job, message)) resolve(false);
    });
  }

  /** Resolves when nothing accepted is unsettled. */
  onIdle(): Promise<void> {
    if (this.intake.jobs.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Resolves when, beside that, no step runs. */
  onDrained(): Promise<void> {
    if (this.intake.jobs.size === 0 && this.dispatcher.runner.isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#drainWaiters.push(resolve));
  }

  /** Cancels whatever is not decided yet. */
  async cancelAll(message: string): Promise<void> {
    for (const job of this.intake.jobs.all()) {
      if (!this.clock.hasTime()) await this.clock.nextTurn();
      this.dispatcher.cancel(job, message);
    }
  }

  /**
   * Gives up on orders whose settlement the storage has not confirmed: their callers hear that the
   * outcome is unknown. Gives their ids. Steps that still run are no longer watched.
   */
  abandon(): string[] {
    this.#settler.drop();
    const ids = this.intake.jobs.all().map((job) => {
      job.state = 'abandoned';
      this.intake.jobs.delete(job);
      const message = 'The storage did not answer before the deadline; the outcome is unknown';
      const error = storageFailed(message, undefined, job);
      const times = { acceptedAt: 0, startedAt: undefined, settledAt: 0 };
      this.reporter.settled({ status: 'failed', error }, times, this.clock.last, job);
      return job.id;
    });
    this.dispatcher.runner.abandonAll();
    if (ids.length > 0) this.#checkIdle();
    return ids;
  }

  /** What is known of an order as of now. */
  recordOf(known: Job | OrderRecord): OrderRecord {
    if (!(known instanceof Job)) return known;
    const settled = known.state === 'settled' ? this.intake.settled(known.id) : undefined;
    if (settled !== undefined) return settled;
    return known.toRecord(this.clock, known.run?.startedAt);
  }

  stats(state: ProcessorStats['state']): ProcessorStats {
    const { dispatcher, intake } = this;
    const { counts, timings } = this.reporter;
    const now = this.clock.read();
    return {
      state,
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

  /** The record of an order that is accepted or known; a job for which there is no room. */
  #tryEnqueue(order: ParsedOrder): OrderRecord | Job {
    const admitted = this.admission.hasHostCode ? this.admission.judge(order, undefined) : order;
    if (!(admitted instanceof ParsedOrder) || admitted instanceof Job) {
      return this.recordOf(admitted);
    }
    const job = Job.of(admitted);
    if (!this.intake.hasRoomFor(job)) return job;
    this.#accept(job);
    return this.recordOf(job);
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
    this.#isIdle = false;
    this.reporter.counts.accepted += 1;
    job.acceptedAt = this.clock.now();
    this.intake.jobs.add(job);
  }

  #accept(job: Job): void {
    this.#register(job);
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
          const entered = this.#enterAtLast(job, () => this.#follow(job, true, signal, tell));
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
  #enterAtLast(job: Job, follow?: () => void): Job | OrderRecord {
    this.admission.checkOpen(job);
    const known = this.intake.known(job);
    if (known !== undefined) return known;
    follow?.();
    this.#accept(job);
    return job;
  }

  #follow(job: Job, isOwn: boolean, signal: AbortSignal | undefined, tell: Follower): void {
    const told = job.run?.told;
    if (told !== undefined && tell(told, false) !== false) return;
    if (signal === undefined) {
      job.follow(tell);
      return;
    }
    const takeBack = onAbort(signal, () => {
      if (isOwn) {
        this.dispatcher.cancel(job, bySignal);
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
    this.intake.roomMayHaveCome(job.userId);
    this.#checkIdle();
  }

  #checkIdle(): void {
    // A listener may have settled more, and said so, before this order's own turn to say it.
    if (this.intake.jobs.size > 0 || this.#isIdle) return;
    this.#isIdle = true;
    this.reporter.idle();
    if (this.#idleWaiters.length > 0) {
      for (const resolve of this.#idleWaiters.splice(0)) resolve();
    }
    this.#checkDrained();
  }

  #checkDrained(): void {
    if (this.#drainWaiters.length === 0) return;
    if (this.intake.jobs.size > 0 || !this.dispatcher.runner.isIdle) return;
    for (const resolve of this.#drainWaiters.splice(0)) resolve();
  }
}
