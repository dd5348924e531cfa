import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { results } from '../thread/codec.ts';
import { beyondBalance } from '../unreadable.ts';
import { readable } from './rows.ts';

/** How many users' balances are kept in memory between transactions: some 10 MB. */
const CACHED = 50_000;

/** Why a change is refused. */
type Refusal = typeof results.insufficientFunds | typeof results.balanceOverflow;

/**
 * The balances of a transaction: each is read once and written once, however many orders its user has.
 */
export class Balances {
  readonly #select: StatementSync;
  readonly #upsert: StatementSync;
  /** A balance beyond the safe integers, which was set at a shell, is a `bigint`. */
  readonly #cache = new Map<string, number | bigint | undefined>();
  readonly #changed = new Set<string>();

  constructor(db: DatabaseSync) {
    this.#select = db.prepare(
      `SELECT ${readable('balance')} AS balance FROM balances WHERE user_id = ?`,
    );
    this.#upsert = db.prepare(
      `INSERT INTO balances (user_id, balance) VALUES (?, ?)
       ON CONFLICT (user_id) DO UPDATE SET balance = excluded.balance`,
    );
  }

  /** @throws Error if it is no safe integer */
  get(userId: string): number | undefined {
    const balance = this.#read(userId);
    if (typeof balance === 'bigint') throw beyondBalance(userId, balance);
    return balance;
  }

  #read(userId: string): number | bigint | undefined {
    const cached = this.#cache.get(userId);
    if (cached !== undefined || this.#cache.has(userId)) return cached;
    const row = this.#select.get(userId) as { balance: number | string } | undefined;
    const balance = typeof row?.balance === 'string' ? BigInt(row.balance) : row?.balance;
    // A copy: a part of a message would keep all of it in memory.
    this.#cache.set(Buffer.from(userId).toString(), balance);
    return balance;
  }

  /** The balance after a change, or an object that says why the change is refused. Changes nothing. */
  after(userId: string, amount: number, minBalance: number | null): number | { refusal: Refusal } {
    const before = this.#read(userId) ?? 0;
    const balance = typeof before === 'bigint' ? Number(before + BigInt(amount)) : before + amount;
    if (!Number.isSafeInteger(balance)) return { refusal: results.balanceOverflow };
    if (amount < 0 && minBalance !== null && balance < minBalance) {
      return { refusal: results.insufficientFunds };
    }
    return balance;
  }

  set(userId: string, balance: number): void {
    this.#cache.set(userId, balance);
    this.#changed.add(userId);
  }

  /** Writes the changed balances. To be called right before the transaction is committed. */
  write(): void {
    for (const userId of this.#changed) {
      this.#upsert.run(userId, this.#cache.get(userId) as number);
    }
    this.#changed.clear();
  }

  /** Bounds the memory. To be called between transactions. */
  shrink(): void {
    if (this.#cache.size <= CACHED) return;
    for (const userId of this.#cache.keys()) {
      this.#cache.delete(userId);
      if (this.#cache.size <= CACHED / 2) return;
    }
  }

  /** Forgets all: the file may have other balances. */
  clear(): void {
    this.#cache.clear();
    this.#changed.clear();
  }
}
