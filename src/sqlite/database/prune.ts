import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { isOfOneOrder } from '../failures.ts';
import type { Credit } from '../incoming.ts';
import type { Reader, Writer } from '../thread/wire.ts';
import { listQueries } from './lists.ts';
import { readable, type Text, textOf } from './rows.ts';
import { blockBits } from './schema.ts';

/** How many orders one step reads: some milliseconds. */
const STEP = 500;

/** How many blocks one step passes over. */
const BLOCKS = 1_000;

const BLOCK = 2 ** blockBits;

/** Each names its index, as the queries of `Reads` do. */
export const pruneQueries = {
  first: 'SELECT min(seq) FROM orders WHERE seq > ?',
  earliest: listQueries.earliestOfBlock,
  rows: `SELECT ${readable('id')}, seq, ${readable('settled_at')} AS settled_at, postings, settlement
    FROM orders NOT INDEXED
    WHERE seq > ? AND seq < ? AND accepted_at < ? ORDER BY seq LIMIT ${STEP}`,
} as const;

interface Row {
  readonly id: Text;
  readonly seq: number;
  /** A text beyond the safe integers. */
  readonly settled_at: number | string | null;
  readonly postings: string | null;
  readonly settlement: number | null;
}

/**
 * One step: deletes settled orders, and says how many and behind which `seq` to go on. Blocks without an order
 * that is old enough are passed over.
 */
export function prune(db: DatabaseSync, reader: Reader, writer: Writer): void {
  const settledBefore = reader.number();
  const { after, end } = nextBlock(db, reader.number(), settledBefore);
  const rows = (end === undefined
    ? []
    : db
        .prepare(pruneQueries.rows)
        .all(after ?? 0, end, settledBefore)) as unknown as readonly Row[];
  const kept = new Set(Array.from({ length: reader.number() }, () => reader.text()));
  const old = rows.filter(
    ({ id, settled_at }) =>
      typeof settled_at === 'number' && settled_at < settledBefore && !kept.has(textOf(id)),
  );
  const deletion = new Deletion(db);
  let deleted = 0;
  for (const row of old) {
    try {
      deletion.delete(row);
      deleted += 1;
    } catch (error) {
      // What cannot be added to its user's balance stays; the others need not.
      if (!isOfOneOrder(error) || !db.isTransaction) throw error;
    }
  }
  deletion.end();
  writer.number(deleted);
  const isOver = rows.length < STEP;
  if (!isOver) writer.number(rows.at(-1)?.seq);
  else writer.number(end === undefined ? after : end - 1);
}

/** Where the next block with old orders goes on and ends; `end` is missing where none was found. */
function nextBlock(
  db: DatabaseSync,
  from: number,
  settledBefore: number,
): { readonly after: number | undefined; readonly end?: number } {
  const first = db.prepare(pruneQueries.first);
  const earliest = db.prepare(pruneQueries.earliest);
  let after = from;
  for (let blocks = 0; blocks < BLOCKS; blocks += 1) {
    const seq = Object.values(first.get(after) ?? {})[0];
    if (typeof seq !== 'number') return { after: undefined };
    const block = Math.floor(seq / BLOCK);
    const end = (block + 1) * BLOCK;
    const time = Object.values(earliest.get({ block }) ?? {})[0];
    if (Number(time) < settledBefore) return { after, end };
    after = end - 1;
  }
  return { after };
}

/** Deletes settled orders. What is deleted stays part of its users' balances, so that the sums can be checked as before. */
class Deletion {
  readonly #remember: StatementSync;
  readonly #forget: StatementSync;
  readonly #rememberCredit: StatementSync;
  readonly #forgetCredit: StatementSync;
  readonly #note: StatementSync;
  readonly #forgetSettlements: StatementSync;
  #settlement = 0;
  #settledAt = Number.MIN_SAFE_INTEGER;

  constructor(db: DatabaseSync) {
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
       WHERE first < (SELECT max(first) FROM settlements WHERE first <= ?) ORDER BY first LIMIT ${STEP})`,
    );
  }

  delete({ seq, settled_at: settledAt, postings, settlement }: Row): void {
    this.#remember.run(seq);
    if (postings !== null) this.#deleteCredits(JSON.parse(postings) as Credit[], settlement);
    this.#forget.run(seq);
    this.#settlement = Math.max(this.#settlement, settlement ?? 0);
    this.#settledAt = Math.max(this.#settledAt, Number(settledAt));
  }

  #deleteCredits(postings: readonly Credit[], settlement: number | null): void {
    for (const { userId } of postings) {
      this.#rememberCredit.run({ userId, settlement });
      this.#forgetCredit.run({ userId, settlement });
    }
  }

  /** Notes how far orders were deleted. */
  end(): void {
    if (this.#settlement === 0) return;
    this.#note.run({ settlement: this.#settlement, settledAt: this.#settledAt });
    this.#forgetSettlements.run(this.#settlement + 1);
  }
}
