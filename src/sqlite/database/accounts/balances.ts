import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { beyondBalance } from '../../../core/storage/reading/unreadable-orders.ts';
import { results } from '../../thread/codec.ts';
import { readable } from '../rows.ts';

/** How many users' balances are kept in memory between transactions: some 10 MB. */
const CACHED = 50_000;

/** Why a change is refused. */
export type Refusal = typeof results.insufficientFunds | typeof results.balanceOverflow;

/** A user's balance, as the transaction has left it so far. */
export interface Account {
  readonly userId: string;
  /** A balance beyond the safe integers, which was set at a shell, is a `bigint`. */
  balance: number | bigint | undefined;
  /** The greatest `seq` of the user's completed orders. */
  last: number;
  isChanged: boolean;
}

/**
 * The balances of a transaction: each is read once and written once, however many orders its user has.
 */
export class Balances {
  readonly #select: StatementSync;
  readonly #upsert: StatementSync;
  readonly #cache = new Map<string, Account>();
  #changed: Account[] = [];

  constructor(db: DatabaseSync) {
    this.#select = db.prepare(
      `SELECT ${readable('balance')} AS balance, last FROM balances WHERE user_id = ?`,
    );
    this.#upsert = db.prepare(
      `INSERT INTO balances (user_id, balance, last) VALUES (?, ?, ?)
       ON CONFLICT (user_id) DO UPDATE SET balance = excluded.balance, last = excluded.last`,
    );
  }

  /** @throws Error if it is no safe integer */
  get(userId: string): number | undefined {
    const { balance } = this.of(userId);
    if (typeof balance === 'bigint') throw beyondBalance(userId, balance);
    return balance;
  }

  of(userId: string): Account {
    const cached = this.#cache.get(userId);
    if (cached !== undefined) return cached;
    const row = this.#select.get(userId) as { balance: number | string; last: number } | undefined;
    const balance = typeof row?.balance === 'string' ? BigInt(row.balance) : row?.balance;
    // A copy: a part of a message would keep all of it in memory.
    const copy = Buffer.from(userId).toString();
    const account = { userId: copy, balance, last: row?.last ?? 0, isChanged: false };
    this.#cache.set(copy, account);
    return account;
  }

  /** The balance after a change, or an object that says why the change is refused. Changes nothing. */
  after(
    { balance: before = 0 }: Account,
    amount: number,
    minBalance: number | null,
  ): number | { refusal: Refusal } {
    const balance = typeof before === 'bigint' ? Number(before + BigInt(amount)) : before + amount;
    if (!Number.isSafeInteger(balance)) return { refusal: results.balanceOverflow };
    if (amount < 0 && minBalance !== null && balance < minBalance) {
      return { refusal: results.insufficientFunds };
    }
    return balance;
  }

  set(account: Account, balance: number): void {
    account.balance = balance;
    if (account.isChanged) return;
    account.isChanged = true;
    this.#changed.push(account);
  }

  /** Writes the changed balances. To be called right before the transaction is committed. */
  write(): void {
    if (this.#changed.length === 0) return;
    for (const account of this.#changed) {
      this.#upsert.run(account.userId, account.balance as number, account.last);
      account.isChanged = false;
    }
    this.#changed = [];
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
    this.#changed = [];
  }
}
