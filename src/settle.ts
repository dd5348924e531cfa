import { type Awaitable, asPromise, isThenable } from './awaitable.ts';
import type { Clock } from './clock.ts';
import { OrderError } from './errors.ts';
import type { Job } from './job.ts';
import type { Settings } from './options.ts';
import type { OrderOutcome, StepResult } from './outcome.ts';
import { noSteps } from './outcome.ts';
import { outcomeOf, receiptOf, refusals, refusedBy } from './outcomes.ts';
import type { Decision } from './run-listener.ts';
import type {
  BatchStorage,
  DirectStorage,
  OrderStorage,
  SettledFields,
  Settlement,
  Times,
} from './storage/order-storage.ts';
import type { Verdict } from './task.ts';

/** All steps done, where there are none. */
export const nothingToDo: Decision = Object.freeze({
  outcome: 'completed',
  error: undefined,
  steps: noSteps,
  isCompensable: false,
});

/** Decided orders on their way into the storage; the arrays are index-aligned. */
class Batch {
  readonly jobs: Job[] = [];
  readonly settlements: Settlement[] = [];
}

export interface SettlerListener {
  /** The order is settled, or will never be: `storage_failed`. */
  settled(job: Job, outcome: OrderOutcome, times: Times): void;
  /** The amount of an order that had completed was not taken, and its steps can be taken back. */
  refused(job: Job, error: OrderError): void;
  /** The amount of an order whose steps have not run was taken: it had been applied before. */
  admitted(job: Job): void;
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
      this.#conclude(job, this.settleAtOnce(job, decision, times), decision, times);
      return;
    }
    job.state = 'settling';
    const { id, userId, amount, priority, payload, labels, content, hash } = job;
    const minBalance = this.#minBalance;
    const batch = this.#gathered;
    batch.jobs.push(job);
    batch.settlements.push({
      id,
      userId,
      amount,
      priority,
      payload,
      labels,
      content,
      hash,
      ...decision,
      times,
      minBalance,
    });
  }

  /** Settles one order without telling anybody. */
  settleAtOnce(
    order: SettledFields,
    { outcome, error, steps, isCompensable }: Decision,
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
    if (!isCompensable || settled.status === 'completed') storage.remember(order, settled, times);
    return settled;
  }

  /**
   * Why a debit cannot succeed, if that is clear before its order's steps are run: the user's earlier
   * orders are settled by then. The storage has the last word all the same.
   */
  refusalOf({ userId, amount }: Job): Awaitable<Verdict | undefined> {
    const minBalance = this.#minBalance;
    if (minBalance === undefined || amount >= 0) return undefined;
    const check = (balance = 0): Verdict | undefined => {
      if (balance + amount >= minBalance) return undefined;
      const message = refusals.insufficient_funds;
      // Only the host's storage knows whether it has applied this order in an earlier life.
      return { code: 'insufficient_funds', message, isForStorage: !this.isDirect };
    };
    const fail = (cause: unknown): Verdict => {
      const message = 'The storage could not give the balance';
      this.#listener.storageFailed(storageFailed(message, cause));
      return { code: 'storage_failed', message, cause };
    };
    try {
      const balance = (this.#direct ?? this.#batched)?.get(userId);
      if (!isThenable(balance)) return check(balance);
      const slow = this.#watch();
      return asPromise(balance)
        .then(check, fail)
        .finally(() => clearTimeout(slow));
    } catch (cause) {
      return fail(cause);
    }
  }

  /** Tells of a call of the storage that takes too long. */
  #watch(): NodeJS.Timeout {
    return setTimeout(() => {
      const message = `The storage has not answered for ${this.#stalledAfterMs} ms`;
      this.#listener.storageFailed(storageFailed(message, undefined));
    }, this.#stalledAfterMs);
  }

  /** A settled order's steps came to something after all. */
  amend({ id }: Job, steps: readonly StepResult[]): void {
    (this.#direct ?? this.#batched)?.amend(id, steps);
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
    const slow = this.#watch();
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
      const settlement = settlements[at] as Settlement;
      this.#conclude(job, outcomes[at] as OrderOutcome, settlement, settlement.times);
    }
  }

  #conclude(
    job: Job,
    outcome: OrderOutcome,
    { isCompensable, isTrial }: Pick<Decision, 'isCompensable' | 'isTrial'>,
    times: Times,
  ): void {
    const isRefused = isCompensable && outcome.status !== 'completed';
    if (isRefused || isTrial) {
      job.state = 'processing';
      if (isRefused) this.#listener.refused(job, outcome.error);
      else this.#listener.admitted(job);
      return;
    }
    job.state = 'settled';
    this.#listener.settled(job, outcome, times);
  }

  /** Nothing is known to be recorded, so the orders fail, and are not remembered: they may come again. */
  #fail(batch: Batch, cause: unknown): void {
    const outcomes = batch.settlements.map((settlement): OrderOutcome => {
      // What changes no balance came to what it came to, and its caller may have been told.
      if (settlement.outcome !== 'completed') return outcomeOf(settlement, undefined);
      const error = storageFailed('The storage did not settle it', cause, settlement);
      return { status: 'failed', error };
    });
    this.#finish(batch, outcomes);
    this.#listener.storageFailed(storageFailed('A call of the storage failed', cause));
  }
}

/** A failure of the storage, with the order that it hit. */
export function storageFailed(
  message: string,
  cause: unknown,
  order?: Pick<Settlement, 'id' | 'userId' | 'labels'> & { readonly steps?: Settlement['steps'] },
): OrderError {
  return new OrderError('storage_failed', message, {
    cause,
    orderId: order?.id,
    userId: order?.userId,
    labels: order?.labels,
    steps: order?.steps,
  });
}
