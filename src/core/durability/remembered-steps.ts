import { type CallEnd, storageCall } from '../lifecycle/calls/storage-call.ts';
import type { Job } from '../lifecycle/job.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import { isOver } from '../lifecycle/order-state.ts';
import type { OrderError } from '../order/order-error.ts';
import { storageFailed } from '../order/processor-errors.ts';
import { noneRemembered, type RememberedStep } from '../order/step-result.ts';
import { callBatch, GroupCall } from '../runtime/group-call.ts';
import type { JournalStorage } from '../storage/ledger.ts';
import type { RememberResult } from '../storage/order-storage.ts';

export interface RememberedStepsListener {
  /** The order is another processor's by now. */
  lost(job: Job): void;
  /** A call of the storage failed, and is made again when the storage works; or it has not answered. */
  storageFailed(error: OrderError): void;
}

/** An order with all that is remembered of its steps. */
interface Entry {
  readonly job: Job;
  readonly steps: readonly RememberedStep[];
}

/**
 * What steps have returned, on its way into the storage: what comes after such a step waits for that. All that comes
 * while a call is under way goes into the next one.
 */
export class RememberedSteps {
  readonly #storage: JournalStorage;
  readonly #lifecycle: Lifecycle;
  readonly #listener: RememberedStepsListener;
  readonly #calls: GroupCall<readonly Entry[], readonly RememberResult[]>;
  #waiting = new Set<Job>();
  #callEnd: CallEnd | undefined;
  /** A call has failed, and the storage has not said since that it works. */
  #isHeld = false;
  /** How many orders the next call may have: after a failure one, since one of them may be the reason. */
  #most = callBatch;

  constructor(
    storage: JournalStorage,
    lifecycle: Lifecycle,
    stalledAfterMs: number,
    listener: RememberedStepsListener,
  ) {
    this.#storage = storage;
    this.#lifecycle = lifecycle;
    this.#listener = listener;
    this.#calls = new GroupCall(
      {
        next: () => this.#next(),
        call: (entries) => this.#call(entries),
        answered: () => this.#ended(false),
        done: (entries, results) => this.#done(entries, results),
        failed: (entries, cause) => this.#failed(entries, cause),
        slow: (message) => listener.storageFailed(storageFailed(message, undefined)),
      },
      { stalledAfterMs },
    );
  }

  /** A call has not been answered for too long. */
  get isSlow(): boolean {
    return this.#calls.isSlow;
  }

  /** A step of the order has returned something: its run is notified when the storage has it. */
  add(job: Job): void {
    this.#waiting.add(job);
    this.#calls.flushSoon();
  }

  /** The storage works again. */
  release(): void {
    this.#isHeld = false;
    this.#calls.flush();
  }

  /** The processor has closed: what the storage answers from now on does not matter. */
  close(): void {
    this.#waiting.clear();
    this.#calls.close();
  }

  #next(): readonly Entry[] | undefined {
    if (this.#isHeld || this.#waiting.size === 0) return undefined;
    const entries: Entry[] = [];
    for (const job of this.#waiting) {
      if (entries.length >= this.#most) break;
      this.#waiting.delete(job);
      if (!isOver(job)) entries.push({ job, steps: job.remembered ?? noneRemembered });
    }
    return entries.length === 0 ? undefined : entries;
  }

  #call(entries: readonly Entry[]): Promise<readonly RememberResult[]> {
    this.#callEnd = storageCall(this.#lifecycle.events, 'remember', entries.length);
    return this.#storage.remember(
      entries.map(({ job: { id, userId, sequence }, steps }) => ({ id, userId, sequence, steps })),
    );
  }

  #ended(isFailed: boolean): void {
    this.#most = isFailed ? 1 : Math.min(this.#most * 2, callBatch);
    this.#callEnd?.(isFailed);
    this.#callEnd = undefined;
  }

  #done(entries: readonly Entry[], results: readonly RememberResult[]): void {
    for (const [at, { job, steps }] of entries.entries()) {
      const result = results[at] as RememberResult;
      if (result.status === 'failed') job.run?.notRemembered(steps, result.error);
      else if (result.status === 'lost') this.#listener.lost(job);
      else job.run?.remembered(steps);
    }
  }

  #failed(entries: readonly Entry[], cause: unknown): void {
    this.#ended(true);
    this.#isHeld = true;
    // Behind the others: one that fails each time holds up none of them.
    for (const { job } of entries) this.#waiting.add(job);
    this.#listener.storageFailed(storageFailed('A call of the storage failed', cause));
  }
}
