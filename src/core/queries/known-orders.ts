import type { Intake } from '../admission/capacity.ts';
import type { Job } from '../lifecycle/job.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import type { OrderError } from '../order/order-error.ts';
import type { OrderOutcome, OrderRecord } from '../order/outcome.ts';
import type { ParsedOrder } from '../order/parse-order.ts';
import { canceled, storageFailed, waitingEnded } from '../order/processor-errors.ts';
import { recordOf, recordOfOutcome } from '../order/record.ts';
import type { StoredOrder } from '../order/stored-order.ts';
import { untilAbort } from '../runtime/abort.ts';
import type { Clock } from '../runtime/clock.ts';
import type { UntilClosed } from '../runtime/until-closed.ts';
import type { JournalStorage } from '../storage/ledger.ts';

/** The parts of an engine that this has to do with. */
export interface AskingEngine {
  readonly clock: Clock;
  readonly questions: UntilClosed;
  readonly lifecycle: Lifecycle;
  readonly intake: Intake;
}

/** What a storage that keeps orders knows of those that are not here, or not here yet. */
export class KnownOrders {
  readonly #storage: Pick<JournalStorage, 'find'>;
  readonly #engine: AskingEngine;
  /** Orders that somebody waits for to be taken up, by id. */
  readonly #awaited = new Map<string, Set<() => void>>();

  constructor(storage: Pick<JournalStorage, 'find'>, engine: AskingEngine) {
    this.#storage = storage;
    this.#engine = engine;
  }

  /** What `order(id)` answers of an order that is not here. */
  async order(id: string): Promise<OrderRecord | undefined> {
    const stored = await this.#ask(id, 'The storage could not give the order');
    return stored && recordOf(stored);
  }

  /** An unsettled order that is not here yet: it is taken up in a moment, having been left by an earlier life. */
  async jobOf(id: string): Promise<Job | undefined> {
    const { intake } = this.#engine;
    if (intake.isRecovering) await this.stored(id);
    return intake.jobs.get(id);
  }

  /**
   * What the storage has of an order. One that is unsettled is here by then, if it is to be taken up.
   *
   * @param signal - ends the waiting
   * @param order - the one that is refused then
   */
  async stored(
    id: string,
    signal?: AbortSignal,
    order?: ParsedOrder,
  ): Promise<StoredOrder | undefined> {
    const error = (): OrderError =>
      order === undefined ? waitingEnded(id, signal) : canceled(order, signal);
    const stored = await untilAbort<StoredOrder | undefined>(signal, error, (resolve, reject) => {
      this.#askIfKnown(id, order).then(resolve, reject);
      return undefined;
    });
    if (stored !== undefined && stored.settledAt === undefined) {
      await untilAbort(signal, error, (resolve) => this.#await(id, resolve));
    }
    return stored;
  }

  /**
   * What an id stands for that is not to be refused for good before the storage has been asked.
   *
   * @param isOver - whether the order needs no answer any more: then it may be what its id stands for
   */
  async knownInstead(
    order: ParsedOrder,
    signal?: AbortSignal,
    isOver = (): boolean => false,
  ): Promise<Job | OrderRecord | undefined> {
    const { intake, lifecycle } = this.#engine;
    const stored = await this.stored(order.id, signal, order);
    if (isOver()) return undefined;
    if (stored?.settledAt === undefined) return intake.known(order);
    intake.checkSame(stored, order);
    lifecycle.counts.duplicates += 1;
    return recordOf(stored);
  }

  /** The record of an order that was enqueued, and has come to an outcome since, if that is given. */
  async recordOfEnded(job: Job, outcome: OrderOutcome | undefined): Promise<OrderRecord> {
    const { clock, intake } = this.#engine;
    if (outcome?.status === 'refused') throw outcome.error;
    if (outcome !== undefined && isRecorded(job, outcome)) {
      return recordOfOutcome(job, outcome, job.unixOf(job.acceptedAt, clock));
    }
    const record = await this.#askIfKnown(job.id, job);
    if (record === undefined) {
      if (outcome !== undefined && outcome.status !== 'completed') throw outcome.error;
      throw storageFailed('The storage does not know the order', undefined, job);
    }
    intake.checkSame(record, job);
    return recordOf(record);
  }

  /** An order has been taken up. */
  recovered(id: string): void {
    for (const resolve of this.#awaited.get(id) ?? []) resolve();
    this.#awaited.delete(id);
  }

  /** No more will be. */
  over(): void {
    for (const waiting of this.#awaited.values()) for (const resolve of waiting) resolve();
    this.#awaited.clear();
  }

  /** Calls back when an order is here, or will not be any more; the result takes that back. */
  #await(id: string, resolve: (value?: unknown) => void): (() => void) | undefined {
    const { intake } = this.#engine;
    if (!intake.isRecovering || intake.jobs.get(id) !== undefined) {
      resolve();
      return undefined;
    }
    const waiting = this.#awaited.get(id) ?? new Set();
    this.#awaited.set(id, waiting.add(resolve));
    return () => {
      waiting.delete(resolve);
      if (waiting.size === 0) this.#awaited.delete(id);
    };
  }

  #askIfKnown(id: string, order?: ParsedOrder): Promise<StoredOrder | undefined> {
    return this.#ask(id, 'The storage could not say whether it knows the order', order);
  }

  async #ask(id: string, failure: string, order?: ParsedOrder): Promise<StoredOrder | undefined> {
    try {
      return await this.#engine.questions.ask(this.#storage.find(id));
    } catch (cause) {
      throw storageFailed(failure, cause, order);
    }
  }
}

/** Whether that is all that the storage has of an order without steps: it began, and was settled, here. */
function isRecorded({ state }: Job, outcome: OrderOutcome): boolean {
  if (state !== 'settled') return false;
  if (outcome.status === 'completed') return true;
  return outcome.error.code !== 'storage_failed' && outcome.error.waitMs !== undefined;
}
