import { Clock } from './clock.ts';
import { Dispatcher } from './dispatch.ts';
import { isOrderError, OrderError } from './errors.ts';
import { Events } from './events.ts';
import { Intake } from './intake.ts';
import { type Follower, Job, toResult } from './job.ts';
import type { Settings } from './options.ts';
import { type ParsedOrder, parseOrder } from './order.ts';
import type { OrderOutcome, OrderRecord, Receipt, UnfulfilledOutcome } from './outcome.ts';
import { outcomeOfRecord } from './outcomes.ts';
import { nothingToDo, Settler, storageFailed } from './settle.ts';
import { onAbort } from './signals.ts';
import { Counts, type ProcessorStats, Timings } from './stats.ts';
import type { OrderStorage, Times } from './storage/order-storage.ts';

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
  /** False from the call of `shutdown` on. */
  isOpen = true;
  readonly clock = new Clock();
  readonly events = new Events();
  readonly counts = new Counts();
  readonly timings = new Timings();
  readonly dispatcher: Dispatcher;
  readonly intake: Intake;
  readonly #settler: Settler;
  #idleWaiters: (() => void)[] = [];
  #drainWaiters: (() => void)[] = [];
  /** The times of an order that goes at once; one object for all, since each only copies from it. */
  readonly #instant = { acceptedAt: 0, startedAt: 0, settledAt: 0 };
  /** While listeners and callers are told, an order they submit goes to the queue, not deeper. */
  #isTelling = false;

  constructor(settings: Settings, storage: OrderStorage) {
    const { clock, events } = this;
    this.#settler = new Settler(storage, clock, settings.minBalance, {
      settled: (job, outcome, times) => this.#settled(job, outcome, times),
      storageFailed: (error) => events.tell.error?.(error),
    });
    this.dispatcher = new Dispatcher(settings, clock, events, this.#settler, () =>
      this.#checkDrained(),
    );
    this.intake = new Intake(settings, storage, this.dispatcher.queue, this.counts, clock);
  }

  /**
   * Takes an order as far as it goes without waiting: its outcome if it is refused, was settled
   * before, or could be settled at once; else the job to `enter`, which may be an earlier caller's.
   */
  begin(order: unknown): OrderOutcome | Job {
    try {
      const parsed = this.#open(order);
      const known = this.intake.known(parsed);
      if (known !== undefined) return known instanceof Job ? known : outcomeOfRecord(known);
      return this.#mayGoAtOnce() ? this.#goAtOnce(parsed) : new Job(parsed);
    } catch (error) {
      return this.refuse(error);
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

  /** Whether `begin`'s job needs no more than somebody to follow it; accepts it if there is room. */
  tryEnter(job: Job): boolean {
    if (this.intake.jobs.get(job.id) === job) return true;
    if (!this.isOpen || !this.intake.hasRoomFor(job)) return false;
    this.#accept(job);
    return true;
  }

  /**
   * Enters `begin`'s job; `tell` hears its outcome, be it that it is refused. The promise is there
   * while the order waits for room.
   */
  enter(job: Job, { overflow, signal }: Entry, tell: Follower): Promise<void> | undefined {
    const isOwn = this.intake.jobs.get(job.id) !== job;
    if (this.tryEnter(job)) {
      this.#follow(job, isOwn, signal, tell);
      return undefined;
    }
    if (overflow === 'reject') {
      tell(this.refuse(this.intake.queueFull(job)));
      return undefined;
    }
    return new Promise((resolve) => {
      let takeBack: (() => void) | undefined;
      const end = (outcome: OrderOutcome): void => {
        takeBack?.();
        resolve();
        tell(outcome);
      };
      const leave = this.intake.wait(job, () => {
        const entered = this.#enterAtLast(job);
        if (!(entered instanceof Job)) return end(entered);
        takeBack?.();
        resolve();
        this.#follow(entered, entered === job, signal, tell);
      });
      takeBack =
        signal &&
        onAbort(signal, () => {
          if (leave()) end(this.refuse(canceled(job)));
        });
    });
  }

  /** Accepts an order without anybody following it; rejects if it is refused. */
  async enqueue(order: unknown, overflow: Entry['overflow']): Promise<OrderRecord> {
    try {
      const parsed = this.#open(order);
      const known = this.intake.known(parsed);
      if (known !== undefined) return this.recordOf(known);
      const job = new Job(parsed);
      if (this.tryEnter(job)) return this.recordOf(job);
      if (overflow === 'reject') throw this.intake.queueFull(job);
      return await this.#waitToEnqueue(job);
    } catch (error) {
      throw this.refuse(error).error;
    }
  }

  refuse(thrown: unknown): UnfulfilledOutcome {
    const error = isOrderError(thrown)
      ? thrown
      : new OrderError('internal', 'The order could not be taken', { cause: thrown });
    this.counts.refused += 1;
    this.events.tell.refused?.(error);
    return { status: 'refused', error };
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
    if (this.intake.jobs.size === 0 && this.dispatcher.runs.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drainWaiters.push(resolve));
  }

  /** Cancels whatever is not decided yet. */
  cancelAll(message: string): void {
    for (const job of this.intake.jobs.all()) this.dispatcher.cancel(job, message);
  }

  /**
   * Gives up on orders whose settlement the storage has not confirmed: their callers hear that the
   * outcome is unknown. Gives their ids. Steps that still run are no longer watched.
   */
  abandon(): string[] {
    for (const run of this.dispatcher.runs.values()) run.unwatch();
    return this.intake.jobs.all().map((job) => {
      job.state = 'abandoned';
      this.intake.jobs.delete(job);
      const message = 'The storage did not answer before the deadline; the outcome is unknown';
      job.tell({ status: 'failed', error: storageFailed(message, undefined, job) });
      return job.id;
    });
  }

  /** What is known of an order as of now. */
  recordOf(known: Job | OrderRecord): OrderRecord {
    if (!(known instanceof Job)) return known;
    const { clock, dispatcher } = this;
    const startedAt = dispatcher.runs.get(known)?.startedAt;
    return known.toRecord(
      clock.toUnix(known.acceptedAt),
      startedAt === undefined ? undefined : clock.toUnix(startedAt),
    );
  }

  stats(state: ProcessorStats['state']): ProcessorStats {
    const { counts, dispatcher, intake } = this;
    const now = this.clock.read();
    return {
      state,
      isPaused: dispatcher.isPaused,
      ...counts,
      queueLength: dispatcher.queue.size,
      waitingCallers: intake.waitingCallers,
      unsettled: intake.jobs.size,
      activeWorkers: dispatcher.activeWorkers,
      stalled: dispatcher.stalledOrders,
      ...this.timings.percentiles(now),
      oldestWaitMs: now - (dispatcher.oldestWaiting ?? now),
      uptimeMs: now,
    };
  }

  #open(order: unknown): ParsedOrder {
    if (!this.isOpen) throw shutDown();
    return parseOrder(order);
  }

  /**
   * Nothing accepted may be unsettled: then no order of the same user can be overtaken. Nobody may
   * listen to what comes before the outcome: then nobody can tell it from an order that was queued.
   */
  #mayGoAtOnce(): boolean {
    return (
      this.#settler.isDirect &&
      this.intake.jobs.size === 0 &&
      !this.#isTelling &&
      this.dispatcher.isPassable &&
      this.events.tell.accepted === undefined &&
      this.events.tell.started === undefined
    );
  }

  /** The short way: nobody waits for room, for an outcome or for idleness, so nobody is to be told. */
  #goAtOnce(order: ParsedOrder): OrderOutcome {
    const times = this.#instant;
    const now = this.clock.toUnix(this.clock.now());
    if (times.settledAt !== now) times.acceptedAt = times.startedAt = times.settledAt = now;
    const outcome = this.#settler.settleAtOnce(order, nothingToDo, times);
    this.counts.accepted += 1;
    this.#count(outcome, times);
    this.#tell(outcome);
    this.events.tell.idle?.(undefined);
    return outcome;
  }

  #accept(job: Job): void {
    this.counts.accepted += 1;
    job.acceptedAt = this.clock.now();
    this.intake.jobs.add(job);
    // No worker begins before this returns, so `accepted` still comes first, and may cancel it.
    this.dispatcher.add(job);
    this.events.tell.accepted?.(job.toRecord(this.clock.toUnix(job.acceptedAt), undefined));
  }

  /** Its turn has come; meanwhile the processor may have shut down, or the id become known. */
  #enterAtLast(job: Job): OrderOutcome | Job {
    try {
      const known = this.#enterWaited(job);
      return known instanceof Job ? known : outcomeOfRecord(known);
    } catch (error) {
      return this.refuse(error);
    }
  }

  #enterWaited(job: Job): Job | OrderRecord {
    if (!this.isOpen) throw shutDown(job);
    const known = this.intake.known(job);
    if (known !== undefined) return known;
    this.#accept(job);
    return job;
  }

  #waitToEnqueue(job: Job): Promise<OrderRecord> {
    return new Promise((resolve, reject) => {
      this.intake.wait(job, () => {
        try {
          resolve(this.recordOf(this.#enterWaited(job)));
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #follow(job: Job, isOwn: boolean, signal: AbortSignal | undefined, tell: Follower): void {
    if (signal === undefined) {
      job.follow(tell);
      return;
    }
    const takeBack = onAbort(signal, () => {
      // Somebody else's order is not this caller's to cancel.
      if (isOwn) this.dispatcher.cancel(job, bySignal);
      else tell({ status: 'canceled', error: canceled(job) });
    });
    job.follow((outcome) => {
      takeBack();
      tell(outcome);
    });
  }

  #settled(job: Job, outcome: OrderOutcome, times: Times): void {
    this.intake.jobs.delete(job);
    this.#count(outcome, times);
    this.dispatcher.settled(job);
    this.#tell(outcome, job);
    this.intake.roomMayHaveCome(job.userId);
    this.#checkIdle();
  }

  #count({ status }: OrderOutcome, { acceptedAt, startedAt, settledAt }: Times): void {
    if (status === 'completed') this.counts.completed += 1;
    else if (status === 'failed') this.counts.failed += 1;
    else this.counts.canceled += 1;
    if (startedAt === undefined) return;
    this.timings.record(startedAt - acceptedAt, settledAt - startedAt, this.clock.last);
  }

  #tell(outcome: OrderOutcome, job?: Job): void {
    const wasTelling = this.#isTelling;
    this.#isTelling = true;
    const { tell } = this.events;
    if (outcome.status === 'completed') tell.completed?.(outcome);
    else if (outcome.status === 'failed') tell.failed?.(outcome.error);
    else if (outcome.status === 'canceled') tell.canceled?.(outcome.error);
    job?.tell(outcome);
    this.#isTelling = wasTelling;
  }

  #checkIdle(): void {
    if (this.intake.jobs.size > 0) return;
    this.events.tell.idle?.(undefined);
    if (this.#idleWaiters.length > 0) {
      const waiters = this.#idleWaiters;
      this.#idleWaiters = [];
      for (const resolve of waiters) resolve();
    }
    this.#checkDrained();
  }

  #checkDrained(): void {
    if (this.#drainWaiters.length === 0) return;
    if (this.intake.jobs.size > 0 || this.dispatcher.runs.size > 0) return;
    for (const resolve of this.#drainWaiters.splice(0)) resolve();
  }
}

const bySignal = 'The order was canceled by its signal';

/** The refusal of an order whose caller gave up, be it its own or another caller's. */
export function canceled({ id: orderId, userId }: Job): OrderError {
  return new OrderError('canceled', bySignal, { orderId, userId });
}

function shutDown(job?: Job): OrderError {
  return new OrderError('shut_down', 'The processor accepts no more orders', {
    orderId: job?.id,
    userId: job?.userId,
  });
}
