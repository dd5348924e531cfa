import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { isOfOneOrder } from '../../failures.ts';
import type { Credit } from '../../incoming.ts';
import { readable, type Text } from '../rows.ts';

/** How many orders one step deletes at most: some milliseconds. */
export const mostDeleted = 500;

/** What a deletion needs of an order. */
export const deletedColumns = `${readable('id')}, seq, ${readable('settled_at')} AS settled_at, postings, settlement`;

export interface SettledRow {
  readonly id: Text;
  readonly seq: number;
  /** A text beyond the safe integers. */
  readonly settled_at: number | string | null;
  readonly postings: string | null;
  readonly settlement: number | null;
}

/** Deletes settled orders. What is deleted stays part of its users' balances, so that the sums can be checked as before. */
export class Deletion {
  readonly #db: DatabaseSync;
  readonly #remember: StatementSync;
  readonly #forget: StatementSync;
  readonly #rememberCredit: StatementSync;
  readonly #forgetCredit: StatementSync;
  readonly #note: StatementSync;
  readonly #forgetSettlements: StatementSync;
  #settlement = 0;
  #settledAt = Number.MIN_SAFE_INTEGER;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#remember = db.prepare(
      `UPDATE balances SET pruned = coalesce(pruned, 0) + amount FROM orders
       WHERE seq = ? AND status = 'completed' AND balances.user_id = orders.user_id`,
    );
    this.#forget = db.prepare('DELETE FROM orders WHERE seq = ?');
    this.#rememberCredit = db.prepare(
      `UPDATE balances SET pruned = coalesce(pruned, 0) + postings.amount FROM postings
       WHERE balances.user_id = :userId AND postings.user_id = :userId AND settlement = :settlement`,
    );
    this.#forgetCredit = db.prepare(
      'DELETE FROM postings WHERE user_id = :userId AND settlement = :settlement',
    );
    this.#note = db.prepare(
      `UPDATE meta SET pruned = max(pruned, :settlement),
       pruned_at = max(coalesce(pruned_at, :settledAt), :settledAt)`,
    );
    // The last row says which number comes next.
    this.#forgetSettlements = db.prepare(
      `DELETE FROM settlements WHERE first IN (SELECT first FROM settlements
       WHERE first < (SELECT max(first) FROM settlements WHERE first <= ?)
       ORDER BY first LIMIT ${mostDeleted})`,
    );
  }

  /** Deletes one, unless it cannot be added to its user's balance. Returns whether it did. */
  delete({ seq, settled_at: settledAt, postings, settlement }: SettledRow): boolean {
    try {
      this.#remember.run(seq);
      if (postings !== null) this.#deleteCredits(JSON.parse(postings) as Credit[], settlement);
      this.#forget.run(seq);
    } catch (error) {
      if (!isOfOneOrder(error) || !this.#db.isTransaction) throw error;
      return false;
    }
    this.#settlement = Math.max(this.#settlement, settlement ?? 0);
    this.#settledAt = Math.max(this.#settledAt, Number(settledAt));
    return true;
  }

  #deleteCredits(postings: readonly Credit[], settlement: number | null): void {
    for (const { userId } of postings) {
      this.#rememberCredit.run({ userId, settlement });
      this.#forgetCredit.run({ userId, settlement });
    }
  }

  /**
   * Notes how far orders were deleted. To be called before the transaction is committed.
   *
   * @param upTo - nothing up to this settlement is wanted any more
   */
  end(upTo = 0): void {
    const settlement = Math.max(this.#settlement, upTo);
    if (settlement > 0) {
      this.#note.run({ settlement, settledAt: this.#settledAt });
      this.#forgetSettlements.run(settlement + 1);
    }
    this.clear();
  }

  /** Forgets a transaction that failed. */
  clear(): void {
    this.#settlement = 0;
    this.#settledAt = Number.MIN_SAFE_INTEGER;
  }
}
