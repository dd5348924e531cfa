import type { InFlightOrders } from '../lifecycle/in-flight-orders.ts';
import type { Job, KnownOrder } from '../lifecycle/job.ts';
import type { OrderError } from '../order/order-error.ts';
import type { OrderOutcome, OrderRecord } from '../order/outcome.ts';
import type { ParsedOrder } from '../order/parse-order.ts';
import { canceled, storageFailed, waitingEnded } from '../order/processor-errors.ts';
import { recordOf, recordOfOutcome } from '../order/record.ts';
import { type Content, checkSame } from '../order/same-content.ts';
import type { StoredOrder } from '../order/stored-order.ts';
import { untilAbort } from '../runtime/abort.ts';
import type { Awaitable } from '../runtime/awaitable.ts';
import type { Clock } from '../runtime/clock.ts';
import type { UntilClosed } from '../runtime/until-closed.ts';
import type { Ledger } from '../storage/ledger.ts';
import type { KnownSources } from './known/known-sources.ts';
import { withRetry } from './known/retried-orders.ts';

/** The order that an id belongs to. */
export type Known =
  | KnownOrder
  /** No order of this process. Where the storage keeps orders, it may know one: see `ask`. */
  | { readonly status: 'unknown' };

const unknown: Known = { status: 'unknown' };

/** The one place that says whether an id is known, and what the state of its order is (invariant 5). */
export class KnownOrders {
  readonly #ledger: Ledger;
  readonly #inFlight: InFlightOrders;
  readonly #lifecycle: KnownSources['lifecycle'];
  readonly #clock: Clock;
  readonly #questions: UntilClosed;
  readonly #startedAtOf: KnownSources['startedAtOf'];
  readonly #isJson: boolean;
  readonly #ownership: KnownSources['ownership'];
  readonly #delayed: KnownSources['delayed'];
  /** Whether several processors share the storage. */
  readonly isShared: boolean;
  /** Callers that wait for an unsettled order of an earlier process to be taken up, by id. */
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor({
    ledger,
    inFlight,
    lifecycle,
    clock,
    questions,
    startedAtOf,
    ownership,
    delayed,
  }: KnownSources) {
    this.#ledger = ledger;
    this.#inFlight = inFlight;
    this.#lifecycle = lifecycle;
    this.#clock = clock;
    this.#questions = questions;
    this.#startedAtOf = startedAtOf;
    this.#isJson = ledger.journal?.isJson === true;
    this.isShared = ledger.journal?.shared !== undefined;
    this.#ownership = ownership;
    this.#delayed = delayed;
  }

  /**
   * The order that has the id of a new order, if this process knows it.
   *
   * @throws OrderError `order_conflict` if its content is another
   */
  find(order: ParsedOrder): Known {
    const job = this.#inFlight.find(order);
    if (job !== undefined) {
      this.checkSame(job, order);
      this.#lifecycle.counts.duplicates += 1;
      return { status: 'in flight', job };
    }
    const stored = this.#ledger.record(order.id);
    if (stored === undefined) return unknown;
    this.checkSame(stored, order);
    this.#lifecycle.counts.duplicates += 1;
    return { status: 'settled', record: this.#recordOfSettled(stored) };
  }

  /**
   * The same for the storage's order with the id, as `ask` gave it in this turn.
   *
   * @throws OrderError `order_conflict`
   */
  findStored(order: ParsedOrder, stored: StoredOrder | undefined): Known {
    // An unsettled order has been taken up by now.
    if (stored?.settledAt === undefined) return this.find(order);
    this.checkSame(stored, order);
    this.#lifecycle.counts.duplicates += 1;
    return { status: 'settled', record: recordOf(stored) };
  }

  /** @throws OrderError `order_conflict` unless an order has the content of the order that has its id */
  checkSame(known: Content, order: ParsedOrder): void {
    checkSame(known, order, this.#isJson);
  }

  /**
   * The storage's order with an id. An unsettled order that this processor takes up is in flight when this resolves.
   *
   * @param signal - ends the waiting
   * @param order - the order that is refused with `canceled` when the signal aborts
   */
  async ask(
    id: string,
    signal?: AbortSignal,
    order?: ParsedOrder,
  ): Promise<StoredOrder | undefined> {
    const { journal } = this.#ledger;
    if (journal === undefined) return undefined;
    const error = (): OrderError =>
      order === undefined ? waitingEnded({ orderId: id }, signal) : canceled(order, signal);
    const stored = await untilAbort<StoredOrder | undefined>(signal, error, (resolve, reject) => {
      const failure = 'The storage could not say whether it knows the order';
      const watch = this.#ownership()?.watch(id);
      this.#delayed()
        .asked(() => this.#find(id, failure, order, watch))
        .then(resolve, reject);
      return undefined;
    });
    if (stored !== undefined && stored.settledAt === undefined) {
      await untilAbort(signal, error, (resolve) => this.#whenTakenUp(id, resolve));
    }
    return stored;
  }

  /** The order that this process has of an id. */
  get(id: string): Known {
    const job = this.#inFlight.get(id);
    if (job !== undefined) return this.ownsId(job) ? { status: 'in flight', job } : unknown;
    const stored = this.#ledger.record(id);
    return stored === undefined
      ? unknown
      : { status: 'settled', record: this.#recordOfSettled(stored) };
  }

  /**
   * Whether the id of an unsettled order certainly belongs to it. If the storage keeps orders, another order may have
   * the id until the storage has this one.
   */
  ownsId(job: Job): boolean {
    return this.#lifecycle.isAccepted(job);
  }

  #recordOfSettled(stored: StoredOrder): OrderRecord {
    return recordOf(withRetry(stored, { ledger: this.#ledger, inFlight: this.#inFlight }));
  }

  /** The order that has an id, as the storage has it. */
  async stored(id: string): Promise<StoredOrder | undefined> {
    return (
      this.#ledger.record(id) ?? (await this.#find(id, 'The storage could not give the order'))
    );
  }

  /** The record of the order that has an id. */
  record(id: string): Awaitable<OrderRecord | undefined> {
    const known = this.get(id);
    if (known.status === 'settled') return known.record;
    if (known.status === 'in flight') return this.recordOf(known.job);
    return this.#storedRecord(id);
  }

  /**
   * The present record of an order.
   *
   * @param outcome - its outcome, for a settled order that the storage may have forgotten
   */
  recordOf(job: Job, outcome?: OrderOutcome): OrderRecord {
    const isSettled = job.state === 'settled' || job.state === 'released';
    const settled = isSettled ? this.#ledger.record(job.id) : undefined;
    // If the storage has forgotten the order, the id may belong to a later one.
    const isSame = settled?.userId === job.userId && settled.orderedAmount === job.amount;
    if (isSame) return recordOf(settled);
    if (isSettled && outcome !== undefined) {
      return recordOfOutcome(job, outcome, job.unixOf(job.acceptedAt, this.#clock));
    }
    return job.toRecord(this.#clock, this.#startedAtOf(job));
  }

  /** The unsettled order that has an id: with a promise only if the storage has to be asked. */
  unsettled(id: string): Awaitable<Job | undefined> {
    const job = this.#inFlight.get(id);
    if (job !== undefined && this.ownsId(job)) return job;
    if (job === undefined && !this.#mayTakeUp) return undefined;
    return this.#unsettledIn(id, job);
  }

  /** Whether an unsettled order of the storage may be missing in memory. */
  get #mayTakeUp(): boolean {
    return this.#inFlight.isRecovering || this.isShared || this.#delayed().size > 0;
  }

  async #unsettledIn(id: string, job: Job | undefined): Promise<Job | undefined> {
    if (job === undefined) {
      await this.ask(id);
      return this.#inFlight.get(id);
    }
    // The id may belong to a settled order, even if another order with the id is on its way into the storage.
    return (await this.#storedRecord(id))?.settledAt === undefined ? job : undefined;
  }

  /**
   * The record of an order that was enqueued, and has ended since.
   *
   * @param outcome - its outcome, if it is known
   */
  async recordOfEnded(job: Job, outcome: OrderOutcome | undefined): Promise<OrderRecord> {
    if (outcome?.status === 'refused') throw outcome.error;
    if (outcome !== undefined && isRecorded(job, outcome)) {
      return recordOfOutcome(job, outcome, job.unixOf(job.acceptedAt, this.#clock));
    }
    const failure = 'The storage could not say whether it knows the order';
    const stored = await this.#find(job.id, failure, job);
    if (stored === undefined) {
      if (outcome !== undefined && outcome.status !== 'completed') throw outcome.error;
      throw storageFailed('The storage does not know the order', undefined, job);
    }
    this.checkSame(stored, job);
    return recordOf(stored);
  }

  /** An order of an earlier process was taken up. */
  takenUp(id: string): void {
    for (const resolve of this.#waiting.get(id) ?? []) resolve();
    this.#waiting.delete(id);
  }

  /** No further order of an earlier process will be taken up. */
  recoveryEnded(): void {
    for (const waiting of this.#waiting.values()) for (const resolve of waiting) resolve();
    this.#waiting.clear();
  }

  /** The caller of an order waits no longer. */
  unfollowed(job: Job): void {
    this.#ownership()?.unfollowed(job);
  }

  /** Calls back when an order is in flight, or will not be taken up. The returned function ends the waiting. */
  #whenTakenUp(id: string, resolve: (value?: unknown) => void): (() => void) | undefined {
    const isAwaited = !this.#inFlight.isRecovering || this.isShared;
    if (isAwaited || this.#inFlight.get(id) !== undefined) {
      resolve();
      return undefined;
    }
    const waiting = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, waiting.add(resolve));
    return () => {
      waiting.delete(resolve);
      if (waiting.size === 0) this.#waiting.delete(id);
    };
  }

  async #storedRecord(id: string): Promise<OrderRecord | undefined> {
    const stored = await this.stored(id);
    return stored && recordOf(stored);
  }

  async #find(
    id: string,
    failure: string,
    order?: ParsedOrder,
    answer = this.#ledger.journal?.find(id),
  ): Promise<StoredOrder | undefined> {
    try {
      return answer && (await this.#questions.ask(answer));
    } catch (cause) {
      throw storageFailed(failure, cause, order);
    }
  }
}

/** Whether the storage's record of an order without steps is complete: it began and was settled in this process. */
function isRecorded({ state }: Job, outcome: OrderOutcome): boolean {
  if (state !== 'settled') return false;
  if (outcome.status === 'completed') return true;
  return outcome.error.code !== 'storage_failed' && outcome.error.waitMs !== undefined;
}
