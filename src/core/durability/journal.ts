import { Tally } from '../collections/tally.ts';
import type { CallEnd } from '../lifecycle/calls/storage-call.ts';
import { type Entry, entryOf, type Waiter } from '../lifecycle/entry.ts';
import type { Job } from '../lifecycle/job.ts';
import type { OrderError } from '../order/order-error.ts';
import type { OrderRecord } from '../order/outcome.ts';
import { storageFailed } from '../order/processor-errors.ts';
import type { NewOrder, StoredOrder } from '../order/stored-order.ts';
import { KeyedQueue } from '../queue/keyed-queue.ts';
import type { Cancellation } from '../runtime/abort.ts';
import type { Clock } from '../runtime/clock.ts';
import { GroupCall } from '../runtime/group-call.ts';
import type { JournalStorage } from '../storage/ledger.ts';
import type { AcceptResult } from '../storage/order-storage.ts';

export interface JournalListener {
  /** The order is kept, and may be processed. */
  accepted(job: Job, cancellation: Cancellation | undefined): void;
  /** Its id belongs to an order that the processor did not know. Returns that order, or throws. */
  known(job: Job, order: StoredOrder, cancellation: Cancellation | undefined): OrderRecord;
  /** The order is not accepted. */
  refused(job: Job, error: OrderError): void;
  calling(operation: 'accept', size: number): CallEnd | undefined;
  /** A call of the storage failed, and the orders in it have been refused. */
  storageFailed(error: OrderError): void;
}

/**
 * Orders on their way into the storage. They are accepted when the storage keeps them. Orders that come while one call
 * is under way go into the next call.
 */
export class Journal {
  readonly #storage: JournalStorage;
  readonly #clock: Clock;
  readonly #listener: JournalListener;
  /**
   * Users take turns here too, and urgent orders go first: a user with many orders does not delay others (invariant 7).
   */
  readonly #gathered = new KeyedQueue<Job>({ exclusive: false });
  readonly #calls: GroupCall<readonly Job[], readonly AcceptResult[]>;
  #callEnd: CallEnd | undefined;
  readonly #counts = new Tally();
  /** The orders in the call that is under way. */
  #inCall: readonly Job[] = [];
  /** Why an order is to be canceled as soon as it is accepted. */
  readonly #cancellations = new Map<Job, Cancellation>();
  #isClosed = false;

  constructor(
    storage: JournalStorage,
    clock: Clock,
    stalledAfterMs: number,
    listener: JournalListener,
  ) {
    this.#storage = storage;
    this.#clock = clock;
    this.#listener = listener;
    this.#calls = new GroupCall(
      {
        next: () => this.#next(),
        call: (jobs) => this.#call(jobs),
        answered: () => this.#ended(false),
        done: (jobs, results) => this.#finish(jobs, results),
        failed: (jobs, cause) => this.#fail(jobs, cause),
        slow: (message) => this.#listener.storageFailed(storageFailed(message, undefined)),
      },
      { stalledAfterMs },
    );
  }

  /** A call has not been answered for too long. */
  get isSlow(): boolean {
    return this.#calls.isSlow;
  }

  /** How many orders of a user are on their way. */
  countOf(userId: string): number {
    return this.#counts.of(userId);
  }

  add(job: Job): void {
    job.entry = entryOf(1);
    this.#counts.add(job.userId, 1);
    this.#gathered.push(job);
    this.#calls.flushSoon();
  }

  /** Hands no order of this user to the storage until `release`. */
  hold(userId: string): void {
    this.#gathered.pause(userId);
  }

  release(userId: string): void {
    if (!this.#gathered.isStopped(userId)) return;
    this.#gathered.resume(userId);
    this.#calls.flushSoon();
  }

  /** Resolves when an order that is on its way is kept, rejects if it is not accepted. */
  whenKept(job: Job): Promise<OrderRecord> {
    if (this.#isClosed) return Promise.reject(unanswered(job));
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

  /** The processor has shut down: no caller waits for later answers of the storage. */
  close(): void {
    this.#isClosed = true;
    // Held orders wait for a settlement that the storage has not answered.
    this.#gathered.resumeAll();
    // Callers that wait for the outcome have been notified.
    for (const job of [...this.#inCall, ...this.#take(this.#gathered.size)]) {
      for (const { reject } of takeWaiters(job)) reject(unanswered(job));
    }
    this.#calls.close();
  }

  /** The orders of the next call. */
  #next(): readonly Job[] | undefined {
    // The answer of the last call may not have been passed on yet.
    this.#inCall = this.#inCall.filter(({ state }) => state === 'accepting');
    if (!this.#gathered.isRunnable) return undefined;
    const jobs = this.#take(this.#calls.sizeOf(this.#gathered.size, this.#clock.last));
    this.#inCall = [...this.#inCall, ...jobs];
    return jobs;
  }

  #call(jobs: readonly Job[]): Promise<readonly AcceptResult[]> {
    this.#callEnd = this.#listener.calling('accept', jobs.length);
    return this.#storage.accept(jobs.map((job) => this.#toNewOrder(job)));
  }

  #toNewOrder(job: Job): NewOrder {
    const order = job.toNewOrder(this.#clock);
    if (this.#storage.shared === undefined) return order;
    return { ...order, isAwaited: job.isUnawaited !== true };
  }

  #ended(isFailed: boolean): void {
    this.#callEnd?.(isFailed);
    this.#callEnd = undefined;
  }

  #take(count: number): Job[] {
    const jobs: Job[] = [];
    for (let job = this.#gathered.take(); job !== undefined; job = this.#gathered.take()) {
      this.#gathered.release(job);
      if (jobs.push(job) >= count) break;
    }
    return jobs;
  }

  #finish(jobs: readonly Job[], results: readonly AcceptResult[]): void {
    this.#clock.read();
    for (const [at, job] of jobs.entries()) {
      const result = results[at] as AcceptResult;
      this.#left(job);
      // Abandoned: shutdown's deadline came first, and its caller has been notified.
      if (job.state !== 'accepting') continue;
      if (result.status === 'failed') this.#refuse(job, result.error);
      else if (result.status === 'known') this.#known(job, result.order);
      else {
        job.sequence = result.sequence;
        this.#accepted(job);
      }
    }
  }

  #accepted(job: Job): void {
    const waiters = takeWaiters(job);
    // Before it may be processed.
    const record = waiters.length === 0 ? undefined : job.toRecord(this.#clock);
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
    this.#ended(true);
    this.#clock.read();
    for (const job of jobs) {
      this.#left(job);
      this.#cancellations.delete(job);
      if (job.state === 'accepting') this.#refuse(job, cause);
    }
    this.#listener.storageFailed(storageFailed('A call of the storage failed', cause));
  }

  #refuse(job: Job, cause: unknown): void {
    this.#cancellations.delete(job);
    const error = storageFailed(
      'The storage did not keep the order, which may be handed in again; the cause says why',
      cause,
      job,
    );
    const waiters = takeWaiters(job);
    this.#listener.refused(job, error);
    for (const { reject } of waiters) reject(error);
  }

  #left({ userId }: Job): void {
    this.#counts.add(userId, -1);
  }
}

function unanswered(job: Job): OrderError {
  const message = 'The storage did not answer before the deadline; the outcome is unknown';
  return storageFailed(message, undefined, job);
}

function takeWaiters({ entry }: Job): readonly Waiter[] {
  const waiters = entry?.waiters ?? [];
  if (entry !== undefined) entry.waiters = undefined;
  return waiters;
}
