import type { Integer } from './account.ts';

/** How many users' balances are kept at most: some 10 MB. */
const most = 100_000;

/**
 * What the balances of users were last. They may have changed since: the database checks whether what is decided by
 * them is right all the same.
 */
export class KnownBalances {
  readonly #most: number;
  /** `undefined` for a user who had none. */
  readonly #balances = new Map<string, Integer | undefined>();

  constructor(mostUsers = most) {
    this.#most = mostUsers;
  }

  has(userId: string): boolean {
    return this.#balances.has(userId);
  }

  get(userId: string): Integer | undefined {
    return this.#balances.get(userId);
  }

  set(userId: string, balance: Integer | undefined): void {
    this.#balances.set(userId, balance);
  }

  forget(userId: string): void {
    this.#balances.delete(userId);
  }

  /** Forgets those that have been there for the longest time, if there are too many. Between calls of `settle` alone. */
  shrink(): void {
    if (this.#balances.size <= this.#most) return;
    for (const userId of this.#balances.keys()) {
      this.#balances.delete(userId);
      if (this.#balances.size <= this.#most / 2) return;
    }
  }
}
