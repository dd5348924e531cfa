import type { OrderError } from '../order/order-error.ts';
import { storageFailed } from '../order/processor-errors.ts';
import type { StoredOrder } from '../order/stored-order.ts';
import type { Clock } from '../runtime/clock.ts';
import { messageOf } from '../runtime/thrown.ts';
import type { JournalStorage } from '../storage/ledger.ts';
import type { OwnedPartition } from '../storage/shared-storage.ts';
import type { Availability } from './availability.ts';

/** What becomes of an order that the storage gives: there may be no room, or it is not to be processed here. */
export type Turn = 'take' | 'wait' | 'skip';

export interface RecoveryListener {
  /** Reads what must be known before an order is taken up, holds above all: no order of a held lane may begin. */
  begins(): Promise<void>;
  /** The same of one owned partition. */
  partitionBegins(partition: OwnedPartition): Promise<void>;
  /** @param partition - whose order it is, where several processors share the storage */
  turnOf(order: StoredOrder, partition: OwnedPartition | undefined): Turn;
  /** The next order waits, for room above all. */
  waits(): void;
  /**
   * An order is taken up, behind its user's earlier orders.
   *
   * @param isToCancel - it is to be canceled, and does not begin
   */
  recovered(order: StoredOrder, partition: OwnedPartition | undefined, isToCancel: boolean): void;
  /** Whether an order is here already. */
  isKnown(id: string): boolean;
  /** Reading failed, and is tried again when the storage works. */
  failed(error: OrderError): void;
  /** All that was left is taken up, or the processor shuts down. */
  caughtUp(): void;
}

/**
 * Takes up the orders that an earlier process left unsettled, before new ones, in the order of their acceptance. It
 * reads no more orders than there is room for. Where several processors share the storage this goes on: all orders
 * that are to be processed here come this way.
 */
export class Recovery {
  /** How many orders were taken up before all that was left had been. */
  recovered = 0;
  readonly #storage: JournalStorage;
  readonly #clock: Clock;
  readonly #availability: Availability;
  readonly #listener: RecoveryListener;
  #isStopped = false;
  #isCaughtUp = false;
  readonly #caughtUp = Promise.withResolvers<void>();
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

  /** Resolves when all orders left by an earlier process are taken up, or `stop` was called; never rejects. */
  run(): Promise<void> {
    this.#run();
    return this.#caughtUp.promise;
  }

  /** There may be room, or an order need not wait any more. */
  goOn(): void {
    if (this.#wake === undefined) return;
    this.#wake();
    this.#wake = undefined;
  }

  /** Takes up no more orders: the processor shuts down. */
  stop(): void {
    this.#isStopped = true;
    this.#wake?.();
    this.#giveUp();
  }

  async #run(): Promise<void> {
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
    this.#endCatchingUp();
  }

  #endCatchingUp(): void {
    this.#isAgain = false;
    if (this.#isCaughtUp) return;
    this.#isCaughtUp = true;
    this.#listener.caughtUp();
    this.#caughtUp.resolve();
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
    await this.#listener.begins();
    for await (const page of this.#storage.unsettled()) {
      if (page.partition !== undefined) await this.#listener.partitionBegins(page.partition);
      if (this.#isStopped) return;
      const { partition, toCancel } = page;
      for (const order of page.orders) {
        if (!this.#clock.hasTime()) await this.#clock.nextSlice();
        let mayBeTaken = this.#isAgain;
        for (;;) {
          const turn = this.#listener.turnOf(order, partition);
          if (turn === 'wait') await this.#untilWoken();
          if (this.#isStopped) return;
          if (turn === 'skip') break;
          if (turn === 'wait') continue;
          if (!mayBeTaken) {
            this.#take(order, partition, toCancel?.includes(order.id) === true);
            break;
          }
          mayBeTaken = false;
          if (await this.#isTaken(order)) break;
        }
      }
      if (page.isCaughtUp) this.#endCatchingUp();
    }
  }

  #untilWoken(): Promise<void> {
    this.#listener.waits();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** If reading has begun anew, an order may have been taken up before, and may even be settled. */
  async #isTaken({ id }: StoredOrder): Promise<boolean> {
    if (this.#listener.isKnown(id)) return true;
    const stored = await this.#storage.find(id);
    return stored === undefined || stored.settledAt !== undefined;
  }

  #take(order: StoredOrder, partition: OwnedPartition | undefined, isToCancel: boolean): void {
    if (!this.#isCaughtUp) this.recovered += 1;
    this.#listener.recovered(order, partition, isToCancel);
  }
}
