import { Job, type KnownOrder } from '../lifecycle/job.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import { OrderError } from '../order/order-error.ts';
import type { OrderRecord, UnfulfilledOutcome } from '../order/outcome.ts';
import { type ParsedOrder, parseOrder } from '../order/parse-order.ts';
import { canceled, expired, storageFailed } from '../order/processor-errors.ts';
import type { StoredOrder } from '../order/stored-order.ts';
import type { Acceptance } from '../processing/acceptance.ts';
import type { AwaitedUsers } from '../queries/awaited-users.ts';
import type { KnownOrders } from '../queries/known-orders.ts';
import type { RefusalLookups } from '../queries/refusal-lookups.ts';
import type { Clock } from '../runtime/clock.ts';
import { StepScope } from '../runtime/step-scope.ts';
import type { JournalStorage } from '../storage/ledger.ts';
import type { TracedProcessor } from '../tracing/operation.ts';
import { awaitInStep, callOnAbort, cancelOnAbort, type Entry, leaveByAbort } from './callers.ts';
import type { Capacity, CapacitySettings } from './capacity.ts';
import { copyAsJson } from './json-payload.ts';
import { PayloadCheck, type StandardSchema } from './payload-schema.ts';
import { applyRules, type Rule } from './rules.ts';
import { HostTransaction } from './transactions/host-transaction.ts';
import { type WaitEnd, waitForRoom } from './wait-for-room.ts';

/** The options of the processor that admission depends on. */
export interface AdmissionSettings extends CapacitySettings {
  readonly schema: StandardSchema | undefined;
  readonly rules: readonly Rule[];
}

/** What admission needs of others. */
interface Sources {
  readonly settings: AdmissionSettings;
  /** What follows admission. */
  readonly acceptor: Pick<Acceptance, 'accept' | 'cancelNow' | 'holdsElsewhere' | 'whenKept'>;
  readonly capacity: Capacity;
  readonly known: KnownOrders;
  /** Where the storage keeps orders. */
  readonly refusals: RefusalLookups | undefined;
  readonly awaited: AwaitedUsers;
  readonly lifecycle: Lifecycle;
  readonly clock: Clock;
  /** The owner of the steps that may hand in orders while the processor shuts down. */
  readonly steps: object;
  /** Where the storage keeps orders. */
  readonly journal: JournalStorage | undefined;
  readonly appliesPostings: boolean;
}

/**
 * The one way in: takes an order from its caller's object to its acceptance, or to its refusal, or to the known order
 * that has its id. The caller follows the job before it is admitted; `job.state` is the result:
 *
 * ```text
 * parse ─▶ known? ─▶ schema ─▶ rules ─▶ copy as JSON ─▶ room? ─▶ accept
 *            │          │        │           │            └─▶ waiting ─▶ accept
 *            ▼          └────────┴───────────┴────────────────┴─▶ refused
 *          joined ◀── the storage knows the id of an order that would be refused, or that waits
 * ```
 *
 * Schema, rules and payloads run code of the host, which may shut the processor down, abort the order's signal or
 * hand in orders, this one too. So whether it is open, and whether the id is known, is checked again after such code.
 */
export class Admission {
  /** False from the call of `shutdown` on; then only orders that steps of accepted orders hand in are accepted. */
  isOpen = true;
  #isShut = false;
  /** Why the storage takes no orders now. */
  failure: OrderError | undefined = undefined;
  readonly clock: Clock;
  readonly known: KnownOrders;
  readonly awaited: AwaitedUsers;
  readonly traced: TracedProcessor;
  readonly #sources: Sources;
  readonly #payloadCheck: PayloadCheck | undefined;
  readonly #hasHostCode: boolean;

  constructor(sources: Sources) {
    const { schema, rules } = sources.settings;
    this.clock = sources.clock;
    this.known = sources.known;
    this.awaited = sources.awaited;
    this.traced = sources.lifecycle.traced;
    this.#sources = sources;
    this.#payloadCheck = schema && new PayloadCheck(schema);
    this.#hasHostCode = schema !== undefined || rules.length > 0;
  }

  /** How many orders wait for the schema. */
  get waiting(): number {
    return this.#payloadCheck?.size ?? 0;
  }

  /** @throws OrderError `invalid_order` */
  parse(order: unknown): Job {
    return parseOrder(order, Job, this.#sources.appliesPostings);
  }

  /** The outcome of an order that cannot be parsed, or whose options are wrong. */
  refusalOf(thrown: unknown): UnfulfilledOutcome {
    this.clock.now();
    return this.#sources.lifecycle.refused(thrown);
  }

  /** The record of an enqueued order, when its acceptance is certain. */
  whenKept(job: Job): Promise<OrderRecord> | undefined {
    return this.#sources.acceptor.whenKept(job);
  }

  /**
   * A transaction of the host's, for the entry of an order.
   *
   * @throws TypeError if the storage keeps no orders in it
   */
  transaction(client: unknown): HostTransaction {
    return new HostTransaction(client, this.#sources.journal, this.#sources);
  }

  /**
   * Admits an order that its caller follows.
   *
   * @returns a promise while it is checked by an asynchronous schema, looked up in the storage or waits for room;
   *   it never rejects
   */
  admit(job: Job, entry: Entry): Promise<void> | undefined {
    try {
      const { signal } = entry;
      if (signal?.aborted) throw canceled(job, signal);
      const known = this.known.find(job);
      if (known.status !== 'unknown') return this.#join(job, known, entry);
      this.checkOpen(job);
      if (job.times?.isExpired(this.clock)) throw expired(job, job.times);
      return this.#hasHostCode ? this.#check(job, entry) : this.#makeRoom(job, entry);
    } catch (error) {
      return this.#refuse(error, job, entry);
    }
  }

  #check(job: Job, entry: Entry): Promise<void> | undefined {
    const checking = this.#payloadCheck?.check(job, entry.signal, () => {
      this.#checkRoomForCheck(job);
      return StepScope.around(this.#sources.steps);
    });
    if (checking === undefined) return this.#judge(job, entry);
    return checking
      .then(() => this.#judge(job, entry))
      .catch((error) => this.#refuse(error, job, entry));
  }

  #checkRoomForCheck(order: ParsedOrder): void {
    const { capacity, overflow } = this.#sources.settings;
    if (overflow === 'wait' || this.waiting < capacity) return;
    const message = `The schema is checking ${capacity} orders, as many as \`capacity\` allows`;
    throw this.#sources.capacity.queueFull(order, message);
  }

  /** Applies the rules to an order whose payload the schema has checked. */
  #judge(job: Job, entry: Entry): Promise<void> | undefined {
    this.checkOpen(job);
    const known = this.known.find(job);
    if (known.status !== 'unknown') return this.#join(job, known, entry);
    applyRules(this.#sources.settings.rules, job);
    return this.#isStillNew(job, entry) ? this.#makeRoom(job, entry) : undefined;
  }

  /** Whether an order still has to be admitted after the host's code has run; if not, it has joined another. */
  #isStillNew(job: Job, entry: Entry): boolean {
    this.checkOpen(job);
    if (entry.signal?.aborted) throw canceled(job, entry.signal);
    const known = this.known.find(job);
    if (known.status !== 'unknown') this.#join(job, known, entry);
    else if (job.times?.isExpired(this.clock)) throw expired(job, job.times);
    return known.status === 'unknown';
  }

  #makeRoom(job: Job, entry: Entry): Promise<void> | undefined {
    const isJson = this.#sources.journal?.isJson;
    if (isJson && copyAsJson(job) && !this.#isStillNew(job, entry)) return undefined;
    if (entry.transaction !== undefined) return this.#keepIn(entry.transaction, job, entry);
    if (entry.isListed) awaitInStep(this.awaited, job, job);
    if (this.#sources.capacity.hasRoomFor(job)) return this.#accept(job, entry);
    if (entry.overflow === 'reject' && !this.#sources.capacity.mayWait)
      return this.#refuseFull(job, entry);
    this.#sources.lifecycle.move(job, 'waiting');
    return waitForRoom(job, entry, this.#sources, (end) => this.#afterWaiting(job, entry, end));
  }

  /** In the database it needs no room here. */
  #keepIn(transaction: HostTransaction, job: Job, entry: Entry): Promise<void> {
    return transaction.accept(job).catch((error) => this.#refuse(error, job, entry));
  }

  #afterWaiting(job: Job, entry: Entry, end: WaitEnd): Promise<void> | undefined {
    if (end.status === 'known') return this.#join(job, end.known, entry);
    try {
      if (end.status === 'refused') throw end.error;
      return this.#isStillNew(job, entry) ? this.#accept(job, entry) : undefined;
    } catch (error) {
      return this.#refuse(error, job, entry);
    }
  }

  #accept(job: Job, { signal, caller }: Entry): undefined {
    const { acceptor } = this.#sources;
    if (signal !== undefined && caller !== undefined) cancelOnAbort(signal, job, caller, acceptor);
    acceptor.accept(job);
  }

  /** Another order has the id: this one gets its outcome. */
  #join(job: Job, known: KnownOrder, { signal, isListed, caller }: Entry): undefined {
    this.clock.now();
    try {
      if (signal?.aborted) throw canceled(job, signal);
      if (known.status === 'in flight') {
        if (isListed) awaitInStep(this.awaited, known.job, job);
        // The known order belongs to another caller, and goes on.
        if (signal !== undefined && caller !== undefined)
          callOnAbort(signal, job, () => leaveByAbort(job, signal));
      }
    } catch (error) {
      const { lifecycle } = this.#sources;
      const isDeadlock = error instanceof OrderError && error.code === 'deadlock';
      // A known order was not refused.
      if (isDeadlock) lifecycle.leaveKnown(job, { status: 'refused', error });
      else lifecycle.refuseNew(job, error);
      return;
    }
    this.#sources.lifecycle.joinKnown(job, known);
  }

  #refuseFull(job: Job, entry: Entry): Promise<void> | undefined {
    const error = this.#sources.capacity.queueFull(job);
    const refuse = (): Promise<void> | undefined => this.#refuse(error, job, entry);
    if (this.#sources.refusals?.mayAsk(job) !== true) {
      if (entry.isListed && this.#sources.refusals !== undefined) {
        return this.#sources.refusals.whenRoom().then(refuse);
      }
      if (!this.clock.hasTime()) return this.clock.nextTurn().then(refuse);
    }
    return refuse();
  }

  /** Refuses no order that was accepted before: only a storage that keeps orders may know it. */
  #refuse(thrown: unknown, job: Job, entry: Entry): Promise<void> | undefined {
    this.clock.now();
    const lookup = this.#sources.refusals?.beforeRefusal(thrown, job, entry.signal);
    if (lookup === undefined) return this.#refused(thrown, job);
    return lookup.then(
      (stored) => {
        if (!this.#findStored(job, stored, entry)) this.#refused(thrown, job);
      },
      (error) => this.#refused(error, job),
    );
  }

  /** Joins the order that the storage knows by the id; false if it knows none. */
  #findStored(job: Job, stored: StoredOrder | undefined, entry: Entry): boolean {
    try {
      const known = this.known.findStored(job, stored);
      if (known.status === 'unknown') return false;
      this.#join(job, known, entry);
    } catch (conflict) {
      this.#refused(conflict, job);
    }
    return true;
  }

  #refused(thrown: unknown, job: Job): undefined {
    this.#sources.lifecycle.refuseNew(job, thrown);
  }

  checkOpen(order: ParsedOrder): void {
    if (!this.isOpen && (this.#isShut || StepScope.around(this.#sources.steps) === undefined)) {
      throw new OrderError('shut_down', 'The processor accepts no more orders', order.facts);
    }
    if (this.failure === undefined) return;
    throw storageFailed('The storage takes no orders now', this.failure, order);
  }

  /**
   * The processor shuts down: refuses orders that wait to be accepted, except orders that a running step handed in.
   * Resolves when all have been refused.
   */
  close(): Promise<void> {
    this.isOpen = false;
    return this.#endWaiting((step) => !this.#isShut && step?.isOpen === true);
  }

  /** The time of the shutdown is up: refuses the orders that steps hand in, too. */
  shut(): Promise<void> {
    this.#isShut = true;
    return this.#endWaiting(() => false);
  }

  async #endWaiting(isKept: (step: StepScope | undefined) => boolean): Promise<void> {
    const dismissed = this.#sources.capacity.admitAll(isKept);
    await this.#payloadCheck?.dismiss(() => this.clock.spentTurn(), isKept);
    await dismissed;
  }
}
