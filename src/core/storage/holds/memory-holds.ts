import type { HoldStorage, StoredHold, StoredHoldQuery } from './hold.ts';

/** Holds in memory. */
export class MemoryHolds implements HoldStorage {
  readonly #holds = new Map<string, StoredHold>();

  hold(hold: StoredHold): void {
    this.#holds.set(hold.userId, hold);
  }

  release(userId: string): void {
    this.#holds.delete(userId);
  }

  /** By the code units of the user ids. */
  holds({ after = '', limit }: StoredHoldQuery): readonly StoredHold[] {
    const users = [...this.#holds.keys()].filter((userId) => userId > after).sort();
    return users.slice(0, limit).map((userId) => this.#holds.get(userId) as StoredHold);
  }
}
