import { Job } from '../lifecycle/job.ts';
import type { OrderError } from '../order/order-error.ts';
import { storageFailed } from '../order/processor-errors.ts';
import type { StoredOrder } from '../order/stored-order.ts';
import type { Clock } from '../runtime/clock.ts';
import { messageOf } from '../runtime/thrown.ts';
import type { JournalStorage } from '../storage/ledger.ts';
import type { Availability } from './availability.ts';

export interface RecoveryListener {
  /** Whether one more order may be taken up now. */
  hasRoom(): boolean;
  /** There is no room, and recovery waits for it. */
  waits(): void;
  /** An order is taken up, behind its user's earlier orders. */
  recovered(job: Job): void;
  /** Whether an order is here already. */
  isKnown(id: string): boolean;
  /** Reading failed, and is tried again when the storage works. */
  failed(error: OrderError): void;
  over(): void;
}

/**
 * Takes up the orders that an earlier process left unsettled, before new ones, in the order of their acceptance. It
 * reads no more orders than there is room for.
 */
export class Recovery {
  /** How many orders were taken up. */
  recovered = 0;
  readonly #storage: JournalStorage;
  readonly #clock: Clock;
  readonly #availability: Availability;
  readonly #listener: RecoveryListener;
  #isStopped = false;
  /** Reading has begun anew. */
  #isAgain = false;
  #wake: (() => void) | undefined;
  #giveUp = (): void => {};

  constructor(
    storage: JournalStorage,
    clock: Clock,
    availability: Availability,
    listener: RecoveryListener,
  ) {
    this.#storage = storage;
    this.#clock = clock;
    this.#availability = availability;
    this.#listener = listener;
  }

  /** Resolves when all orders are taken up, or `stop` was called; never rejects. */
  async run(): Promise<void> {
    while (!this.#isStopped) {
      try {
        // Ends the wait for a storage that never answers.
        await this.#untilStopped(this.#takeAll());
        break;
      } catch (cause) {
        this.#isAgain = true;
        const message = messageOf(cause, 'no message');
        const error = `The orders left unsettled could not be read: ${message}`;
        this.#listener.failed(storageFailed(error, cause));
        await this.#untilStopped(this.#availability.whenAvailable());
      }
    }
    this.#isStopped = true;
    this.#listener.over();
  }

  /** An order was settled. */
  roomMayHaveCome(): void {
    if (this.#wake === undefined || !this.#listener.hasRoom()) return;
    this.#wake();
    this.#wake = undefined;
  }

  /** Takes up no more orders: the processor shuts down. */
  stop(): void {
    this.#isStopped = true;
    this.#wake?.();
    this.#giveUp();
  }

  /** Not a race with one promise for all attempts: that promise would keep each attempt and its error in memory. */
  #untilStopped(work: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#giveUp = resolve;
      work.then(resolve, reject);
      if (this.#isStopped) resolve();
    });
  }

  async #takeAll(): Promise<void> {
    for await (const page of this.#storage.unsettled()) {
      if (this.#isStopped) return;
      for (const order of page) {
        if (!this.#clock.hasTime()) await this.#clock.nextSlice();
        while (!this.#listener.hasRoom() && !this.#isStopped) {
          this.#listener.waits();
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
        if (this.#isStopped) return;
        if (!this.#isAgain || !(await this.#isTaken(order))) this.#take(order);
      }
    }
  }

  /** If reading has begun anew, an order may have been taken up before, and may even be settled. */
  async #isTaken({ id }: StoredOrder): Promise<boolean> {
    if (this.#listener.isKnown(id)) return true;
    const stored = await this.#storage.find(id);
    return stored === undefined || stored.settledAt !== undefined;
  }

  #take(order: StoredOrder): void {
    this.recovered += 1;
    this.#listener.recovered(Job.recovered(order, this.#clock));
  }
}
