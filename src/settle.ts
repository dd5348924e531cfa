import { type Awaitable, isThenable } from './awaitable.ts';
import type { Clock } from './clock.ts';
import { OrderError } from './errors.ts';
import type { Job } from './job.ts';
import type { Settings } from './options.ts';
import type { OrderOutcome } from './outcome.ts';
import { noSteps } from './outcome.ts';
import { receiptOf, refusedBy } from './outcomes.ts';
import type { Decision } from './pipeline.ts';
import type {
  BatchStorage,
  DirectStorage,
  OrderStorage,
  SettledFields,
  Settlement,
  Times,
} from './storage/order-storage.ts';

/** All steps done, where there are none. */
export const nothingToDo: Decision = Object.freeze({
  outcome: 'completed',
  error: undefined,
  steps: noSteps,
});

/** Decided orders on their way into the storage; the arrays are index-aligned. */
class Batch {
  readonly jobs: Job[] = [];
  readonly settlements: Settlement[] = [];
}

export interface SettlerListener {
  /** The order is settled, or will never be: `storage_failed`. */
  settled(job: Job, outcome: OrderOutcome, times: Times): void;
  /** A call of the storage failed, and the orders in it have been told; or it has not answered. */
  storageFailed(error: OrderError): void;
}

/**
 * Brings outcomes and balances into the storage. A storage that answers at once is asked for each
 * order; for any other the orders gather, and whatever is decided while one call is under way goes
 * into the next, so a slow storage costs latency and not throughput. One call at a time also means
 * that the changes of one user reach the storage in order (invariant 1).
 */
export class Settler {
  readonly #direct: DirectStorage | undefined;
  readonly #batched: BatchStorage | undefined;
  readonly #clock: Clock;
  readonly #minBalance: number | undefined;
  readonly #stalledAfterMs: number;
  readonly #listener: SettlerListener;
  #gathered = new Batch();
  #underWay: Promise<void> | undefined;
  #isCalling = false;

  constructor(
    storage: OrderStorage,
    clock: Clock,
    { minBalance, stalledAfterMs }: Pick<Settings, 'minBalance' | 'stalledAfterMs'>,
    listener: SettlerListener,
  ) {
    this.#direct = 'change' in storage ? storage : undefined;
    this.#batched = 'change' in storage ? undefined : storage;
    this.#clock = clock;
    this.#minBalance = minBalance;
    this.#stalledAfterMs = stalledAfterMs;
    this.#listener = listener;
  }

  /** Resolves when the call of the storage that is under way has been answered. */
  get underWay(): Promise<void> | undefined {
    return this.#underWay;
  }

  /** Whether the storage answers at once; then `settleAtOnce` may be called. */
  get isDirect(): boolean {
    return this.#direct !== undefined;
  }

  /**
   * Settles one decided order, or gathers it for `flush`. Times are on the processor's clock, which
   * must have been read just before.
   */
  add(job: Job, decision: Decision, startedAt: number | undefined): void {
    const clock = this.#clock;
    const times = {
      acceptedAt: clock.toUnix(job.acceptedAt),
      startedAt: startedAt === undefined ? undefined : clock.toUnix(startedAt),
      settledAt: clock.toUnix(clock.last),
    };
    if (this.#direct !== undefined) {
      job.state = 'settled';
      const outcome = this.settleAtOnce(job, decision, times);
      this.#listener.settled(job, outcome, times);
      return;
    }
    job.state = 'settling';
    const { id, userId, amount, priority, payload, hash } = job;
    const minBalance = this.#minBalance;
    const batch = this.#gathered;
    batch.jobs.push(job);
    batch.settlements.push({
      id,
      userId,
      amount,
      priority,
      payload,
      hash,
      ...decision,
      times,
      minBalance,
    });
  }

  /** Settles one order without telling anybody. */
  settleAtOnce(
    order: SettledFields,
    { outcome, error, steps }: Decision,
    times: Times,
  ): OrderOutcome {
    const storage = this.#direct as DirectStorage;
    let settled: OrderOutcome;
    if (outcome === 'completed') {
      const balance = storage.change(order.userId, order.amount, this.#minBalance);
      settled =
        typeof balance === 'number'
          ? receiptOf(order, balance, times, steps)
          : refusedBy(balance, order, steps);
    } else settled = { status: outcome, error: error as OrderError };
    storage.remember(order, settled, times);
    return settled;
  }

  /** Sends what is gathered. Without a promise it is settled on return; the promise never rejects. */
  flush(): Promise<void> | undefined {
    const storage = this.#batched;
    // A storage that calls the processor from inside its own call is not called again in it.
    if (storage === undefined || this.#isCalling) return this.#underWay;
    while (this.#underWay === undefined && this.#gathered.jobs.length > 0) {
      const batch = this.#gathered;
      this.#gathered = new Batch();
      this.#send(storage, batch);
    }
    return this.#underWay;
  }

  /** Forgets what was not handed over: nothing may be applied after the storage is closed. */
  drop(): void {
    this.#gathered = new Batch();
  }

  #send(storage: BatchStorage, batch: Batch): void {
    let outcomes: Awaitable<readonly OrderOutcome[]>;
    this.#isCalling = true;
    try {
      outcomes = storage.settle(batch.settlements);
    } catch (cause) {
      this.#fail(batch, cause);
      return;
    } finally {
      this.#isCalling = false;
    }
    if (isThenable(outcomes)) this.#underWay = this.#receive(batch, outcomes);
    else this.#finish(batch, outcomes);
  }

  async #receive(batch: Batch, late: PromiseLike<readonly OrderOutcome[]>): Promise<void> {
    let outcomes: readonly OrderOutcome[] | undefined;
    let cause: unknown;
    const slow = setTimeout(() => {
      const message = `The storage has not answered for ${this.#stalledAfterMs} ms`;
      this.#listener.storageFailed(storageFailed(message, undefined));
    }, this.#stalledAfterMs);
    try {
      outcomes = await late;
    } catch (thrown) {
      cause = thrown;
    }
    clearTimeout(slow);
    this.#underWay = undefined;
    if (outcomes === undefined) this.#fail(batch, cause);
    else this.#finish(batch, outcomes);
    this.flush();
  }

  #finish({ jobs, settlements }: Batch, outcomes: readonly OrderOutcome[]): void {
    for (let at = 0; at < jobs.length; at += 1) {
      const job = jobs[at] as Job;
      // Abandoned: shutdown's deadline came first, and its caller has been told.
      if (job.state !== 'settling') continue;
      job.state = 'settled';
      const { times } = settlements[at] as Settlement;
      this.#listener.settled(job, outcomes[at] as OrderOutcome, times);
    }
  }

  /** Nothing is known to be recorded, so the orders fail, and are not remembered: they may come again. */
  #fail(batch: Batch, cause: unknown): void {
    const outcomes = batch.jobs.map((job): OrderOutcome => {
      return {
        status: 'failed',
        error: storageFailed('The storage did not settle it', cause, job),
      };
    });
    this.#finish(batch, outcomes);
    this.#listener.storageFailed(storageFailed('A call of the storage failed', cause));
  }
}

/** A failure of the storage, with the order that it hit. */
export function storageFailed(message: string, cause: unknown, job?: Job): OrderError {
  return new OrderError('storage_failed', message, {
    cause,
    orderId: job?.id,
    userId: job?.userId,
  });
}
