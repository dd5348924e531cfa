import { Tally } from '../collections/tally.ts';
import { type Entry, entryOf, type Job, type Waiter } from '../lifecycle/job.ts';
import type { CallEnd } from '../lifecycle/lifecycle.ts';
import { moveTo } from '../lifecycle/order-state.ts';
import type { OrderError } from '../order/order-error.ts';
import type { OrderRecord } from '../order/outcome.ts';
import { storageFailed } from '../order/processor-errors.ts';
import type { NewOrder, StoredOrder } from '../order/stored-order.ts';
import { KeyedQueue } from '../queue/keyed-queue.ts';
import type { Cancellation } from '../runtime/abort.ts';
import { CallSize } from '../runtime/call-size.ts';
import type { Clock } from '../runtime/clock.ts';
import { systemTime } from '../runtime/system-time.ts';
import { watch } from '../runtime/until-closed.ts';
import type { JournalStorage } from '../storage/ledger.ts';
import type { AcceptResult } from '../storage/order-storage.ts';

export interface JournalListener {
  /** The order is kept, and may be processed. */
  accepted(job: Job, cancellation: Cancellation | undefined): void;
  /** Its id belongs to an order that the processor did not know of; gives that, or throws. */
  known(job: Job, order: StoredOrder, cancellation: Cancellation | undefined): OrderRecord;
  /** The order is not accepted. */
  refused(job: Job, error: OrderError): void;
  calling(operation: 'accept', size: number): CallEnd | undefined;
  /** A call of the storage failed, and the orders in it have been refused. */
  storageFailed(error: OrderError): void;
}

/**
 * Orders on their way into the storage, which are not accepted before they are kept there. Whatever
 * comes while one call is under way goes into the next.
 *
 * An order that needs no entry goes through here too while an earlier one of its user does: none
 * overtakes another (invariant 1).
 */
export class Journal {
  readonly #storage: JournalStorage;
  readonly #clock: Clock;
  readonly #stalledAfterMs: number;
  readonly #listener: JournalListener;
  /** Users have their turns here too, and urgent orders go first: a user with many delays no other (invariant 7). */
  readonly #gathered = new KeyedQueue<Job>({ exclusive: false });
  #underWay: Promise<void> | undefined;
  #isDue = false;
  readonly #callSize = new CallSize();
  #endWatch = (): void => {};
  /** A call has not been answered for too long. */
  isSlow = false;
  readonly #counts = new Tally();
  /** Those in the call that is under way. */
  #inCall: readonly Job[] = [];
  /** Why an order is to be canceled as soon as it is accepted. */
  readonly #cancellations = new Map<Job, Cancellation>();

  constructor(
    storage: JournalStorage,
    clock: Clock,
    stalledAfterMs: number,
    listener: JournalListener,
  ) {
    this.#storage = storage;
    this.#clock = clock;
    this.#stalledAfterMs = stalledAfterMs;
    this.#listener = listener;
  }

  /** How many orders of a user are on their way. */
  countOf(userId: string): number {
    return this.#counts.of(userId);
  }

  /** @param isKept - whether the order needs an entry; if not it only waits for those before it */
  add(job: Job, isKept: boolean): void {
    moveTo(job, 'accepting');
    if (isKept) job.entry = entryOf(1);
    this.#counts.add(job.userId, 1);
    this.#gathered.push(job);
    this.#flushSoon();
  }

  /** Resolves when an order that is on its way is kept, rejects if it is not accepted. */
  whenKept(job: Job): Promise<OrderRecord> {
    return new Promise((resolve, reject) => {
      const entry = job.entry as Entry;
      entry.waiters ??= [];
      entry.waiters.push({ resolve, reject });
    });
  }

  /** Has an order canceled as soon as it is accepted; false if it is not on its way. */
  cancel(job: Job, cancellation: Cancellation): boolean {
    if (job.state !== 'accepting') return false;
    this.#cancellations.set(job, cancellation);
    return true;
  }

  /** Nobody is told any more what the storage says, if it ever does. */
  close(): void {
    // Their callers have been told, too.
    for (const job of [...this.#inCall, ...this.#take(this.#gathered.size)]) {
      const message = 'The storage did not answer before the deadline; the outcome is unknown';
      for (const { reject } of takeWaiters(job)) reject(storageFailed(message, undefined, job));
    }
    this.#endWatch();
  }

  /** What is added in one breath goes into one call. */
  #flushSoon(): void {
    if (this.#isDue || this.#underWay !== undefined) return;
    this.#isDue = true;
    systemTime.queueMicrotask(() => {
      this.#isDue = false;
      this.#underWay ??= this.#send();
    });
  }

  async #send(): Promise<void> {
    let call = this.#begin();
    while (call !== undefined) {
      const { jobs, answer } = call;
      const results = await answer.then(
        (value) => ({ value }),
        (cause: unknown) => ({ cause }),
      );
      // Before anybody hears: what they do then takes its time, and the storage would wait for it.
      const next = this.#begin();
      this.#clock.read();
      try {
        if ('cause' in results) throw results.cause;
        this.#finish(jobs, results.value);
      } catch (cause) {
        this.#fail(jobs, cause);
      }
      call = next ?? this.#begin();
    }
    this.#inCall = [];
    this.#underWay = undefined;
  }

  /** Calls the storage with what has gathered, if there is something. */
  #begin(): { jobs: readonly Job[]; answer: Promise<readonly AcceptResult[]> } | undefined {
    const { size } = this.#gathered;
    if (size === 0) return undefined;
    const jobs = this.#take(this.#callSize.next(size, this.#clock.last));
    this.#inCall = [...this.#inCall.filter(({ state }) => state === 'accepting'), ...jobs];
    const kept = jobs.filter(({ entry }) => entry !== undefined);
    const orders = kept.map((job) => job.toNewOrder(this.#clock));
    return { jobs, answer: kept.length === 0 ? Promise.resolve([]) : this.#ask(orders) };
  }

  #take(count: number): Job[] {
    const jobs: Job[] = [];
    for (let job = this.#gathered.take(); job !== undefined; job = this.#gathered.take()) {
      this.#gathered.release(job);
      if (jobs.push(job) >= count) break;
    }
    return jobs;
  }

  async #ask(orders: readonly NewOrder[]): Promise<readonly AcceptResult[]> {
    this.#endWatch = watch(this.#stalledAfterMs, (message) => {
      this.isSlow = true;
      this.#listener.storageFailed(storageFailed(message, undefined));
    });
    const ended = this.#listener.calling('accept', orders.length);
    let results: readonly AcceptResult[] | undefined;
    try {
      results = await this.#storage.accept(orders);
      return results;
    } finally {
      this.#endWatch();
      this.isSlow = false;
      ended?.(results === undefined);
    }
  }

  #finish(jobs: readonly Job[], results: readonly AcceptResult[]): void {
    let next = 0;
    for (const job of jobs) {
      const result = job.entry === undefined ? undefined : results[next++];
      this.#left(job);
      // Abandoned: shutdown's deadline came first, and its caller has been told.
      if (job.state !== 'accepting') continue;
      if (result?.status === 'failed') this.#refuse(job, result.error);
      else if (result?.status === 'known') this.#known(job, result.order);
      else {
        if (result !== undefined) job.sequence = result.sequence;
        this.#accepted(job);
      }
    }
  }

  #accepted(job: Job): void {
    moveTo(job, 'pending');
    const waiters = takeWaiters(job);
    // Before it may be processed.
    const record = waiters.length === 0 ? undefined : job.toRecord(this.#clock);
    if (job.entry !== undefined) job.entry.kept = undefined;
    const cancellation = this.#cancellations.get(job);
    this.#cancellations.delete(job);
    this.#listener.accepted(job, cancellation);
    for (const { resolve } of waiters) resolve(record as OrderRecord);
  }

  #known(job: Job, order: StoredOrder): void {
    const cancellation = this.#cancellations.get(job);
    this.#cancellations.delete(job);
    const waiters = takeWaiters(job);
    try {
      const record = this.#listener.known(job, order, cancellation);
      for (const { resolve } of waiters) resolve(record);
    } catch (error) {
      for (const { reject } of waiters) reject(error);
    }
  }

  #fail(jobs: readonly Job[], cause: unknown): void {
    for (const job of jobs) {
      this.#left(job);
      this.#cancellations.delete(job);
      if (job.state === 'accepting') this.#refuse(job, cause);
    }
    this.#listener.storageFailed(storageFailed('A call of the storage failed', cause));
  }

  #refuse(job: Job, cause: unknown): void {
    this.#cancellations.delete(job);
    const error = storageFailed('The storage did not keep it', cause, job);
    const waiters = takeWaiters(job);
    this.#listener.refused(job, error);
    for (const { reject } of waiters) reject(error);
  }

  #left({ userId }: Job): void {
    this.#counts.add(userId, -1);
  }
}

function takeWaiters({ entry }: Job): readonly Waiter[] {
  const waiters = entry?.waiters ?? [];
  if (entry !== undefined) entry.waiters = undefined;
  return waiters;
}
