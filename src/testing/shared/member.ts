import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StoredOrder } from '../../core/order/stored-order.ts';
import type { OrderStorage } from '../../core/storage/order-storage.ts';
import type { KeptRequest } from '../../core/storage/requests/owner-requests.ts';
import type { OwnedPartition, SharedOrders } from '../../core/storage/shared-storage.ts';

/** For how long an event is waited for, in milliseconds. */
const longestMs = 10_000;

/** A processor of a shared storage, as far as the suite needs one: it hears of everything, and processes nothing. */
export class Member {
  readonly storage: OrderStorage;
  /** The partitions that it owns. */
  readonly owned = new Set<OwnedPartition>();
  /** The orders that it was given, each with the partition of its page. */
  readonly given: { readonly order: StoredOrder; readonly partition: OwnedPartition }[] = [];
  /** The orders of other processors, or of its own, that it heard of. */
  readonly settled: StoredOrder[] = [];
  /** The orders that it was asked to cancel after they had come. */
  readonly toCancel: string[] = [];
  /** The requests that it was called with, each with its partition. */
  readonly asked: { readonly request: KeptRequest; readonly partition: OwnedPartition }[] = [];
  /** The answers to its own requests, by id. */
  readonly answers = new Map<string, string>();
  /** Those that came with that request. */
  readonly canceled: string[] = [];
  /** How often it heard that others may have settled orders. */
  applied = 0;
  isCaughtUp = false;
  #failure: unknown;

  constructor(storage: OrderStorage) {
    this.storage = storage;
  }

  get shared(): SharedOrders {
    assert.ok(this.storage.shared, 'The storage is shared');
    return this.storage.shared;
  }

  /** Resolves when it has read all that is unsettled. */
  async join(): Promise<this> {
    this.shared.join({
      gained: (partition) => void this.owned.add(partition),
      released: async (partition) => void this.owned.delete(partition),
      lost: (partition) => void this.owned.delete(partition),
      settled: (order) => void this.settled.push(order),
      cancel: (id) => void this.toCancel.push(id),
      asked: (request, partition) => void this.asked.push({ request, partition }),
      answered: (id, answer) => void this.answers.set(id, answer),
      applied: () => {
        this.applied += 1;
      },
    });
    this.#read();
    await this.until('The orders are caught up with', () => this.isCaughtUp);
    return this;
  }

  /** Asserts that something comes about. */
  async until(message: string, isSo: () => boolean): Promise<void> {
    for (let waitedMs = 0; !isSo(); waitedMs += 5) {
      if (this.#failure !== undefined) throw this.#failure;
      assert.ok(waitedMs < longestMs, message);
      await sleep(5);
    }
  }

  /** The ids of a user's orders that it was given. */
  idsOf(userId: string): string[] {
    return this.given.filter(({ order }) => order.userId === userId).map(({ order }) => order.id);
  }

  async #read(): Promise<void> {
    try {
      for await (const page of this.shared.orders()) {
        const { orders, partition, isCaughtUp, toCancel = [] } = page;
        assert.ok(partition || orders.length === 0, 'A page with orders names their partition');
        for (const order of orders) {
          this.given.push({ order, partition: partition as OwnedPartition });
        }
        this.canceled.push(...toCancel);
        this.isCaughtUp ||= isCaughtUp === true;
      }
    } catch (error) {
      this.#failure = error;
    }
  }
}
