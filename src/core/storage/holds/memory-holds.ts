import type { HoldStorage, StoredHold, StoredHoldQuery } from './hold.ts';
import { withoutOrder } from './lane-settlement.ts';

/** Holds in memory. */
export class MemoryHolds implements HoldStorage {
  readonly #holds = new Map<string, StoredHold>();

  hold(hold: StoredHold): void {
    this.#holds.set(hold.userId, hold);
  }

  release(userId: string): void {
    this.#holds.delete(userId);
  }

  /** The failed order that holds the lane is settled. */
  settled(userId: string, orderId: string): void {
    const hold = this.#holds.get(userId);
    if (hold?.orderId !== orderId) return;
    const left = withoutOrder(hold);
    if (left === undefined) this.#holds.delete(userId);
    else this.#holds.set(userId, left);
  }

  /** By the code units of the user ids. */
  holds({ after = '', limit }: StoredHoldQuery): readonly StoredHold[] {
    const users = [...this.#holds.keys()].filter((userId) => userId > after).sort();
    return users.slice(0, limit).map((userId) => this.#holds.get(userId) as StoredHold);
  }
}
