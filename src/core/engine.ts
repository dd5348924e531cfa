import { Admission } from './admission/admission.ts';
import { Capacity, isBoundPerUser } from './admission/capacity.ts';
import { Submitter } from './admission/submit.ts';
import { Durability } from './durability/durability.ts';
import { InFlightOrders } from './lifecycle/in-flight-orders.ts';
import type { Job } from './lifecycle/job.ts';
import { Lifecycle } from './lifecycle/lifecycle.ts';
import { moveTo } from './lifecycle/order-state.ts';
import type { ProcessorStats } from './lifecycle/stats.ts';
import type { Settings } from './options.ts';
import type { OrderError } from './order/order-error.ts';
import type { OrderOutcome, OrderRecord } from './order/outcome.ts';
import { storageFailed } from './order/processor-errors.ts';
import type { Times } from './order/stored-order.ts';
import { Dispatcher } from './processing/dispatcher.ts';
import { OutcomeQuery } from './queries/await-outcome.ts';
import { KnownOrders } from './queries/known-orders.ts';
import { OrderList } from './queries/list-orders.ts';
import { RefusalLookups } from './queries/refusal-lookups.ts';
import type { Cancellation } from './runtime/abort.ts';
import type { Clock } from './runtime/clock.ts';
import { UntilClosed } from './runtime/until-closed.ts';
import { FundsCheck } from './settlement/funds-check.ts';
import { Settler } from './settlement/settler.ts';
import type { JournalStorage, Ledger } from './storage/ledger.ts';

/** What becomes of orders from their acceptance to their outcome; they come in by the `entrance`. */
export class Engine {
  readonly clock: Clock;
  readonly lifecycle = new Lifecycle();
  readonly questions = new UntilClosed();
  readonly dispatcher: Dispatcher;
  readonly inFlight: InFlightOrders;
  readonly known: KnownOrders;
  /** Where the storage keeps orders. */
  readonly refusals: RefusalLookups | undefined;
  readonly list: OrderList;
  readonly outcomes: OutcomeQuery;
  readonly capacity: Capacity;
  readonly admission: Admission;
  readonly submitter: Submitter;
  /** Where the storage keeps orders. */
  readonly keeper: Durability | undefined;
  readonly #settings: Settings;
  readonly #storage: Ledger;
  readonly #settler: Settler;
  #isIdle = true;
  readonly #isStillIdle = (): boolean => this.#isIdle;
  readonly #idleWaiters: (() => void)[] = [];
  readonly #drainWaiters: (() => void)[] = [];

  constructor(settings: Settings, storage: Ledger, clock: Clock) {
    this.clock = clock;
    const { counts, events } = this.lifecycle;
    this.#settings = settings;
    this.#storage = storage;
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
      calling: (operation, size) => this.lifecycle.calling(operation, size),
      setApart: (error) => events.tell.error?.(error),
      storageFailed: storageHasFailed,
    });
    const funds = new FundsCheck(storage, settings, {
      slow: (error) => events.tell.error?.(error),
      failed: (error, attempt) => {
        events.tell.error?.(error);
        return this.keeper?.outlive(attempt) ?? false;
      },
    });
    this.dispatcher = new Dispatcher(settings, clock, events, this.#settler, funds, {
      ended: ({ userId }) => {
        this.capacity.roomMayHaveCome(userId);
        this.#checkDrained();
      },
      ownsId: (job) => this.known.ownsId(job),
      settling: (job) => this.keeper?.settling(job),
      told: (job, outcome) => {
        // What a caller is told must hold after a restart, too.
        if (job.entry === undefined) this.lifecycle.told(job, outcome);
        else this.#settler.note(job, outcome);
      },
    });
    const { queue, runner } = this.dispatcher;
    const inFlight = new InFlightOrders({ countsUsers: isBoundPerUser(settings) });
    this.inFlight = inFlight;
    this.capacity = new Capacity(settings, inFlight, queue, counts, clock, runner);
    const { journal } = storage;
    const sources = {
      ledger: storage,
      inFlight,
      counts,
      clock,
      questions: this.questions,
      startedAtOf: (job: Job) => runner.startedAtOf(job),
    };
    this.known = new KnownOrders(sources);
    this.refusals = journal && new RefusalLookups(this.known);
    this.list = new OrderList(sources);
    this.outcomes = new OutcomeQuery({
      inFlight,
      known: this.known,
      awaited: runner.awaited,
      isShuttingDown: () => !this.admission.isOpen,
      isLeaving: () => this.keeper?.isLeaving === true,
    });
    this.admission = new Admission({
      settings,
      acceptor: this,
      capacity: this.capacity,
      known: this.known,
      refusals: this.refusals,
      awaited: runner.awaited,
      lifecycle: this.lifecycle,
      clock,
      steps: runner,
      isJson: journal?.isJson === true,
    });
    this.submitter = new Submitter(this.admission, settings.overflow);
    this.keeper = journal && this.#keep(journal, settings.stalledAfterMs);
  }

  #keep(journal: JournalStorage, stalledAfterMs: number): Durability {
    const { clock, lifecycle, dispatcher, inFlight, known, capacity, admission } = this;
    return new Durability(journal, stalledAfterMs, {
      clock,
      lifecycle,
      dispatcher,
      inFlight,
      known,
      capacity,
      admission,
      settler: this.#settler,
      add: (job) => this.#add(job),
      enlist: (job, cancellation) => this.#enlist(job, cancellation),
      remove: (job) => this.#remove(job),
      settled: (job, outcome, times) => this.#settled(job, outcome, times),
      checkIdle: () => this.#checkIdle(),
    });
  }

  /** Whether the order was canceled by this, once it is settled. */
  cancel(job: Job, cancellation: Cancellation): Promise<boolean> {
    return new Promise((resolve) => {
      // It was told before that it is to fail or be canceled.
      if (job.entry?.decided !== undefined) return resolve(false);
      job.follow({
        notify: (outcome, isSettled) => {
          const isCanceled = outcome.status === 'canceled';
          // A storage that fails may settle it later.
          if (isCanceled || isSettled) resolve(isCanceled);
          return isCanceled || isSettled;
        },
      });
      if (!this.cancelNow(job, cancellation)) resolve(false);
    });
  }

  /** The record of an order that is being accepted, where the storage is to say whether it keeps it. */
  whenKept(job: Job): Promise<OrderRecord> | undefined {
    return this.keeper?.whenKept(job);
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

  /** Lets no further order begin, of one user or at all. */
  pause(userId: string | undefined): void {
    this.dispatcher.pause(userId);
    this.keeper?.keepWaiting(userId);
  }

  /** Cancels whatever is not decided yet. */
  async cancelAll(cancellation: Cancellation): Promise<void> {
    for (const job of this.inFlight.all()) {
      if (!this.clock.hasTime()) await this.clock.nextSlice();
      this.cancelNow(job, cancellation);
    }
  }

  /** Cancels an order that is not decided yet; false if it is. */
  cancelNow(job: Job, cancellation: Cancellation): boolean {
    return this.keeper?.cancel(job, cancellation) || this.dispatcher.cancel(job, cancellation);
  }

  get #hasNothingLeft(): boolean {
    return this.inFlight.size === 0 && !this.inFlight.isRecovering;
  }

  /**
   * Gives up on orders that the storage has not confirmed: their callers hear that the outcome is
   * unknown. Gives the ids of those that were accepted. Steps that still run are no longer watched.
   */
  async abandon(): Promise<string[]> {
    this.#settler.drop();
    this.keeper?.close();
    const ids: string[] = [];
    for (const job of this.inFlight.all()) {
      if (!this.clock.hasTime()) await this.clock.nextSlice();
      // The storage may have answered meanwhile.
      if (this.inFlight.find(job) === job && this.#abandon(job)) ids.push(job.id);
    }
    this.dispatcher.runner.abandonAll();
    this.#checkIdle();
    return ids;
  }

  /** Gives whether the order was accepted. */
  #abandon(job: Job): boolean {
    const message = 'The storage did not answer before the deadline; the outcome is unknown';
    const error = storageFailed(message, undefined, job);
    const isAccepted = job.state !== 'accepting';
    if (isAccepted && !this.known.ownsId(job)) this.lifecycle.counts.accepted += 1;
    moveTo(job, isAccepted ? 'unknown' : 'refused');
    this.inFlight.remove(job);
    if (isAccepted) {
      const times = { acceptedAt: 0, startedAt: undefined, settledAt: 0 };
      this.lifecycle.settled({ status: 'failed', error }, times, this.clock.last, job);
    } else this.lifecycle.told(job, this.lifecycle.refused(error), true);
    return isAccepted;
  }

  stats({ state, storageSizes }: Pick<ProcessorStats, 'state' | 'storageSizes'>): ProcessorStats {
    const { dispatcher, inFlight, capacity, keeper } = this;
    const { counts, timings } = this.lifecycle;
    const now = this.clock.read();
    return {
      state,
      storage: this.#isFailing ? 'failing' : inFlight.isRecovering ? 'recovering' : 'ready',
      storageSizes,
      recovered: keeper?.recovery.recovered ?? 0,
      isPaused: dispatcher.isPaused,
      capacity: this.#settings.capacity,
      concurrency: this.#settings.concurrency,
      ...counts,
      queueLength: dispatcher.queue.size,
      waitingCallers: capacity.waitingCallers + this.admission.waiting,
      unsettled: inFlight.size,
      activeWorkers: dispatcher.activeWorkers,
      stalled: dispatcher.runner.stalledOrders,
      ...timings.percentiles(now),
      oldestWaitMs: now - (dispatcher.oldestWaiting ?? now),
      uptimeMs: now,
    };
  }

  get #isFailing(): boolean {
    return this.keeper === undefined ? this.#settler.isFailing : this.keeper.isFailing;
  }

  #add(job: Job): void {
    this.#isIdle = false;
    if (job.sequence === 0) job.sequence = this.#storage.nextSequence();
    this.inFlight.add(job);
  }

  /** Accepts an order that has room. It may be settled by then: nothing was in its way. */
  accept(job: Job): void {
    job.acceptNow(this.clock);
    this.#add(job);
    if (this.keeper?.takes(job) !== true) this.#enlist(job);
  }

  /** The order is accepted, or will be by its settlement. */
  #enlist(job: Job, cancellation?: Cancellation): void {
    if (job.state === 'checking' || job.state === 'waiting') moveTo(job, 'pending');
    this.dispatcher.enqueue(job);
    // A listener may cancel it, or pause its user.
    if (this.known.ownsId(job)) this.lifecycle.accepted(job, this.clock);
    if (cancellation !== undefined) this.dispatcher.cancel(job, cancellation);
    this.dispatcher.proceed(this.lifecycle.isTelling);
  }

  #settled(job: Job, outcome: OrderOutcome, times: Times): void {
    const isAcceptedByThis = !this.known.ownsId(job);
    this.inFlight.remove(job);
    this.dispatcher.settled(job);
    if (isAcceptedByThis) this.keeper?.settledUnkept(job);
    if (isAcceptedByThis) this.lifecycle.acceptedBySettlement(job, outcome, times, this.clock);
    this.lifecycle.settled(outcome, times, this.clock.last, job);
    this.#roomMayHaveCome(job.userId);
    this.#checkIdle();
  }

  #remove(job: Job): void {
    this.inFlight.remove(job);
    this.#roomMayHaveCome(job.userId);
  }

  #roomMayHaveCome(userId: string): void {
    this.keeper?.recovery.roomMayHaveCome();
    this.capacity.roomMayHaveCome(userId);
  }

  #checkIdle(): void {
    if (!this.#hasNothingLeft) return;
    // A listener may have settled more, and said so, before this order's own turn to say it.
    if (!this.#isIdle) {
      this.#isIdle = true;
      this.lifecycle.idle(this.#isStillIdle);
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
