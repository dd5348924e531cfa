import type { Hold } from 'order-processor';

/** The lanes that are certainly held by hand: their hold is acknowledged, and no release can end it. */
export class HandHolds {
  readonly #held = new Set<string>();
  /** By user: how many releases are not answered. Each may end whatever hold there is. */
  readonly #releasing = new Map<string, number>();
  /** By user: when a release was answered last. It may end a hold that is not younger, even if it was an error. */
  readonly #releasedAt = new Map<string, number>();

  has(userId: string): boolean {
    return this.#held.has(userId);
  }

  acknowledged({ userId, heldAt }: Hold): void {
    if (this.#count(userId) > 0 || (this.#releasedAt.get(userId) ?? 0) >= heldAt) return;
    this.#held.add(userId);
  }

  /** Returns what ends the release. */
  releasing(userId: string): () => void {
    this.#held.delete(userId);
    this.#releasing.set(userId, this.#count(userId) + 1);
    return () => {
      this.#releasing.set(userId, this.#count(userId) - 1);
      this.#releasedAt.set(userId, Date.now());
    };
  }

  #count(userId: string): number {
    return this.#releasing.get(userId) ?? 0;
  }
}
