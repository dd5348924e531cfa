import type { DatabaseSync } from 'node:sqlite';
import { readable, type Text, textOf } from './rows.ts';
import type { Reader, Writer } from './wire.ts';

/** How many orders are looked at in one step: some milliseconds. */
const STEP = 500;

export const pruneQuery = `SELECT ${readable('id')}, seq, accepted_at, settled_at FROM orders
  INDEXED BY orders_by_time WHERE accepted_at < ? AND (accepted_at, seq) > (?, ?)
  ORDER BY accepted_at, seq LIMIT ${STEP}`;

interface Row {
  readonly id: Text;
  readonly seq: number;
  readonly accepted_at: number;
  readonly settled_at: number | null;
}

/** One step: deletes settled orders, and says how many and where to go on. */
export function prune(db: DatabaseSync, reader: Reader, writer: Writer): void {
  const settledBefore = reader.number();
  const rows = db
    .prepare(pruneQuery)
    .all(settledBefore, reader.number(), reader.number()) as unknown as Row[];
  const kept = new Set(Array.from({ length: reader.number() }, () => reader.text()));
  const old = rows.filter(
    ({ id, settled_at }) =>
      settled_at !== null && settled_at < settledBefore && !kept.has(textOf(id)),
  );
  // What is deleted stays part of its user's balance, so that the sums can be checked as before.
  const remember = db.prepare(
    `UPDATE balances SET pruned = pruned + amount FROM orders
     WHERE seq = ? AND status = 'completed' AND balances.user_id = orders.user_id`,
  );
  const forget = db.prepare('DELETE FROM orders WHERE seq = ?');
  for (const { seq } of old) {
    remember.run(seq);
    forget.run(seq);
  }
  writer.number(old.length);
  const last = rows.length < STEP ? undefined : rows.at(-1);
  writer.number(last?.accepted_at);
  writer.number(last?.seq);
}
