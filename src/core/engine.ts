import { Admission } from './admission/admission.ts';
import { Capacity, isBoundPerUser } from './admission/capacity.ts';
import { Submitter } from './admission/submit.ts';
import { Availability } from './durability/availability.ts';
import { HandedInOrders } from './durability/handed-in-orders.ts';
import type { Ownership } from './durability/ownership.ts';
import { Recovery } from './durability/recovery.ts';
import { RememberedSteps } from './durability/remembered-steps.ts';
import { InFlightOrders } from './lifecycle/in-flight-orders.ts';
import { Job } from './lifecycle/job.ts';
import { Lifecycle } from './lifecycle/lifecycle.ts';
import type { ProcessorStats } from './lifecycle/stats.ts';
import type { Settings } from './options.ts';
import type { OrderError } from './order/order-error.ts';
import { outcomeOfRecord } from './order/record.ts';
import type { StoredOrder } from './order/stored-order.ts';
import { Acceptance } from './processing/acceptance.ts';
import { cancelOrder } from './processing/cancel-in-turn.ts';
import { CompensationsAgain } from './processing/compensations/compensations-again.ts';
import { connectLanes } from './processing/connect-lanes.ts';
import { connectOwnership } from './processing/connect-ownership.ts';
import { Dispatcher } from './processing/dispatcher.ts';
import type { LanesByPartition } from './processing/holds/lanes-by-partition.ts';
import { Interruption } from './processing/interruption.ts';
import type { LaneRequests } from './processing/requests/lane-requests.ts';
import { connectTimes } from './processing/timing/connect-times.ts';
import type { DelayedOrders } from './processing/timing/delayed-orders.ts';
import { OutcomeQuery } from './queries/await-outcome.ts';
import { History } from './queries/history.ts';
import { KnownOrders } from './queries/known-orders.ts';
import { OrderList } from './queries/list-orders.ts';
import { RefusalLookups } from './queries/refusal-lookups.ts';
import { type OwnStats, readStats } from './read-stats.ts';
import type { Cancellation } from './runtime/abort.ts';
import type { Clock } from './runtime/clock.ts';
import { UntilClosed } from './runtime/until-closed.ts';
import { FundsCheck } from './settlement/funds-check.ts';
import { noted } from './settlement/noted-outcome.ts';
import { Settler } from './settlement/settler.ts';
import type { JournalStorage, Ledger } from './storage/ledger.ts';
import type { TracedProcessor } from './tracing/operation.ts';

/** Builds the stages and connects them. */
export class Engine {
  readonly clock: Clock;
  readonly lifecycle: Lifecycle;
  readonly questions = new UntilClosed();
  readonly dispatcher: Dispatcher;
  readonly heldLanes: LanesByPartition;
  readonly compensations: CompensationsAgain;
  readonly inFlight: InFlightOrders;
  readonly known: KnownOrders;
  /** Where the storage keeps orders. */
  readonly refusals: RefusalLookups | undefined;
  readonly list: OrderList;
  readonly history: History;
  readonly outcomes: OutcomeQuery;
  readonly capacity: Capacity;
  readonly admission: Admission;
  readonly submitter: Submitter;
  readonly acceptance: Acceptance;
  readonly settler: Settler;
  readonly delayed: DelayedOrders;
  /** Unless the storage is of this process alone. */
  readonly availability: Availability | undefined;
  /** The next two where the storage keeps orders. */
  readonly recovery: Recovery | undefined;
  readonly remembered: RememberedSteps | undefined;
  /** The next two where several processors share the storage. */
  readonly ownership: Ownership | undefined;
  readonly laneRequests: LaneRequests | undefined;
  /** Resolves when the orders that an earlier process left unsettled are taken up. */
  readonly ready: Promise<void>;
  readonly #settings: Settings;

  constructor(settings: Settings, storage: Ledger, clock: Clock, traced: TracedProcessor) {
    this.clock = clock;
    this.#settings = settings;
    const [{ journal }, { stalledAfterMs }] = [storage, settings];
    const inFlight = new InFlightOrders({ countsUsers: isBoundPerUser(settings) });
    this.inFlight = inFlight;
    this.lifecycle = new Lifecycle({
      ...{ clock, inFlight, traced },
      nextSequence: () => storage.nextSequence(),
      isKeeping: journal !== undefined,
    });
    const { counts, events } = this.lifecycle;
    const storageFailed = (error: OrderError): void => {
      events.notify.error?.(error);
      this.availability?.failed(error);
    };
    this.settler = new Settler(storage, clock, settings, this.lifecycle, {
      refused: (job, error) => this.dispatcher.runner.refused(job, error),
      admitted: (job) => this.dispatcher.runner.admitted(job),
      known: (job, order) => this.#known(job, order),
      noted: (job, outcome) => noted(this.lifecycle, job, outcome),
      lost: (job) => this.ownership?.lostOrder(job),
      settledBefore: (job) => this.ownership?.settledBefore(job),
      notAccepted: (job, error) => this.acceptance.refusedBySettlement(job, error),
      storageFailed,
    });
    const funds = new FundsCheck(storage, settings, {
      slow: (error) => events.notify.error?.(error),
      failed: (error, attempt) => {
        events.notify.error?.(error);
        return journal !== undefined && (this.availability?.mayAskAgain(attempt) ?? false);
      },
    });
    const { isJson = false, mayBegin } = journal ?? {};
    const stepSettings = { ...settings, isJson, mayBegin, traced };
    this.dispatcher = new Dispatcher(stepSettings, clock, this.lifecycle, this.settler, funds, {
      ended: (job) => {
        this.ownership?.ended(job);
        this.capacity.admitWaiting(job.userId);
        this.lifecycle.idleness.checkDrained();
      },
      settling: (job) => this.acceptance.settling(job),
      held: (job) => this.heldLanes.holdBy(job),
      cancelHeld: (job, cancellation) => this.heldLanes.cancel(job, cancellation),
      remember: (job) => this.remembered?.add(job),
      notified: (job, outcome) => {
        // An outcome of which a caller is notified must hold after a restart too.
        if (job.entry === undefined) this.lifecycle.notified(job, outcome);
        else this.settler.note(job, outcome);
      },
    });
    const { queue, runner } = this.dispatcher;
    const notified = { lost: (job: Job) => this.ownership?.lostOrder(job), storageFailed };
    this.remembered =
      journal && new RememberedSteps(journal, this.lifecycle, stalledAfterMs, notified);
    const here = journal?.shared && new HandedInOrders();
    this.capacity = new Capacity(settings, inFlight, here, queue, counts, clock, runner);
    const later = { ownership: () => this.ownership, delayed: () => this.delayed };
    const sources = {
      ...{ ledger: storage, inFlight, lifecycle: this.lifecycle, clock, questions: this.questions },
      startedAtOf: (job: Job) => runner.startedAtOf(job),
    };
    this.known = new KnownOrders({ ...sources, ...later });
    this.compensations = new CompensationsAgain(stepSettings, {
      ...{ dispatcher: this.dispatcher, known: this.known, ledger: storage },
      ...{ clock, questions: this.questions, storageFailed },
    });
    this.refusals = journal && new RefusalLookups(this.known);
    this.list = new OrderList(sources);
    const isEnding = (): boolean => !this.admission.isOpen;
    this.history = new History(storage, clock, this.questions, isEnding);
    this.outcomes = new OutcomeQuery({
      ...{ inFlight, known: this.known, awaited: runner.awaited },
      isShuttingDown: isEnding,
      isLeaving: () => this.acceptance.isLeaving,
    });
    this.acceptance = new Acceptance({
      ...{ clock, lifecycle: this.lifecycle, inFlight, known: this.known, storage: journal },
      ...{ dispatcher: this.dispatcher, stalledAfterMs, storageFailed, ...later },
    });
    const { heldLanes, laneRequests } = connectLanes({
      ...{ ...sources, ...later, dispatcher: this.dispatcher },
      ...{ known: this.known, compensations: this.compensations },
      keepWaiting: (userId) => this.acceptance.keepWaiting(userId),
      failed: (userId) => this.acceptance.heldOrders.laneHeld(userId),
      stopped: () => this.recovery?.goOn(),
      recovered: () => this.ready,
      mayTryAgain: async (attempt) => {
        await this.availability?.pause(attempt);
        return this.availability !== undefined;
      },
    });
    this.heldLanes = heldLanes;
    this.laneRequests = laneRequests;
    this.delayed = connectTimes({
      ...{ clock, lifecycle: this.lifecycle, inFlight, dispatcher: this.dispatcher },
      ...{ journal, here },
      room: () => this.capacity.room,
      recover: (job) => this.acceptance.recover(job),
      enter: (job) => this.acceptance.enter(job),
      waits: (userId) => this.acceptance.keepWaiting(userId),
      heldOrderBeganAt: (userId) => this.heldLanes.beganAt(userId),
      ...{ ...later, rate: settings.rate, ledger: storage, storageFailed },
      whenAvailable: () => this.availability?.whenAvailable() ?? Promise.resolve(),
    });
    this.admission = new Admission({
      settings,
      acceptor: this.acceptance,
      capacity: this.capacity,
      ...{ known: this.known, refusals: this.refusals, awaited: runner.awaited },
      lifecycle: this.lifecycle,
      clock,
      steps: runner,
      journal,
      appliesPostings: storage.appliesPostings,
    });
    this.submitter = new Submitter(this.admission, settings.overflow);
    this.lifecycle.connect({
      laneFreed: (job) => this.dispatcher.settled(job),
      acceptedBySettlement: (job) => this.acceptance.settledUnkept(job),
      left: (job) => {
        this.ownership?.left(job);
        this.recovery?.goOn();
        this.delayed.left(job);
        this.history.settled();
        this.capacity.admitWaiting(job.userId);
      },
      heldOrders: () => this.acceptance.heldOrders.idle,
      hasRunningSteps: () => !runner.isIdle,
    });
    this.availability = storage.isVolatile ? undefined : this.#watch(journal);
    this.recovery = journal && this.#recover(journal, storageFailed);
    this.ownership =
      here &&
      journal &&
      connectOwnership({ ...this, storageFailed }, journal, here, settings.capacity);
    if (journal === undefined) this.heldLanes.loadNow();
    // The host has a turn first, to listen to events.
    this.ready = Promise.resolve().then(() => {
      this.ownership?.join();
      return this.recovery?.run();
    });
  }

  #watch(journal: JournalStorage | undefined): Availability {
    const { acceptance, admission, remembered, settler } = this;
    const interruption = new Interruption(this);
    const ask = async (): Promise<void> => {
      if (acceptance.journal?.isSlow || settler.isSlow || remembered?.isSlow) {
        throw new Error('A call is not answered yet');
      }
      await (journal === undefined ? settler.tryAgain() : journal.accept([]));
    };
    return new Availability(ask, {
      interrupted: (error) => {
        admission.failure = error;
        interruption.interrupted(error);
      },
      restored: () => {
        admission.failure = undefined;
        interruption.restored();
      },
    });
  }

  #recover(journal: JournalStorage, failed: (error: OrderError) => void): Recovery {
    const { acceptance, availability, capacity, inFlight, known, lifecycle } = this;
    const { queue } = this.dispatcher;
    inFlight.isRecovering = true;
    return new Recovery(journal, this.clock, availability as Availability, {
      begins: () => this.heldLanes.load().then(() => this.delayed.countEarlier()),
      partitionBegins: (partition) => this.heldLanes.loaded(partition),
      turnOf: (order, partition) => {
        if (this.ownership !== undefined) return this.ownership.turnOf(order, partition);
        // What waits in held lanes must not keep the others waiting.
        return inFlight.active - queue.heldSize < this.#settings.capacity ? 'take' : 'wait';
      },
      waits: () => capacity.refuseWaiting(),
      isKnown: (id) => (inFlight.get(id)?.state ?? 'awaited') !== 'awaited',
      recovered: (order, partition, isToCancel) => {
        const job = this.ownership?.take(order, partition);
        const taken = job ?? Job.recovered(order, this.clock);
        acceptance.recover(taken, isToCancel);
        this.heldLanes.takenUp(taken);
      },
      failed,
      caughtUp: () => {
        known.recoveryEnded();
        inFlight.isRecovering = false;
        capacity.admitWaiting();
        // The callers for whom there is no room now.
        capacity.refuseWaiting();
        this.delayed.begin();
        lifecycle.idleness.check();
      },
    });
  }

  /** The storage answers a settlement with the order that has the id. */
  #known(job: Job, stored: StoredOrder): void {
    const { settledAt } = stored;
    if (job.entry === undefined || settledAt === undefined) {
      this.acceptance.joinedBySettlement(job, stored);
    } else {
      // An earlier call of the storage had settled the order, and then failed.
      this.lifecycle.settled(job, outcomeOfRecord(stored), { ...stored, settledAt });
    }
  }

  /** Resolves when the order is settled, with whether this call canceled it. */
  cancel(job: Job, cancellation: Cancellation): Promise<boolean> {
    const holdsLane = this.heldLanes.isHeldBy(job);
    return cancelOrder(job, holdsLane, () => this.acceptance.cancelNow(job, cancellation));
  }

  /** Lets no further order begin, of one user or at all. */
  pause(userId: string | undefined): void {
    this.dispatcher.pause(userId);
    this.acceptance.keepWaiting(userId);
  }

  stats(own: OwnStats): ProcessorStats {
    return readStats(this, this.#settings, own);
  }
}
