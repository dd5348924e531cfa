import type { DatabaseSync } from 'node:sqlite';
import type { Reader, Writer } from '../../thread/wire.ts';
import { listQueries } from '../lists.ts';
import { textOf } from '../rows.ts';
import { blockBits } from '../schema.ts';
import { type Deletion, deletedColumns, mostDeleted, type SettledRow } from './deletion.ts';

/** How many blocks one step passes over. */
const BLOCKS = 1_000;

const BLOCK = 2 ** blockBits;

/** Each names its index, as the queries of `Reads` do. */
export const pruneQueries = {
  first: 'SELECT min(seq) FROM orders WHERE seq > ?',
  earliest: listQueries.earliestOfBlock,
  rows: `SELECT ${deletedColumns} FROM orders NOT INDEXED
    WHERE seq > ? AND seq < ? AND accepted_at < ? ORDER BY seq LIMIT ${mostDeleted}`,
} as const;

/**
 * One step: deletes settled orders, and says how many and behind which `seq` to go on. Blocks without an order
 * that is old enough are passed over.
 */
export function prune(db: DatabaseSync, deletion: Deletion, reader: Reader, writer: Writer): void {
  const settledBefore = reader.number();
  const { after, end } = nextBlock(db, reader.number(), settledBefore);
  const rows = (end === undefined
    ? []
    : db
        .prepare(pruneQueries.rows)
        .all(after ?? 0, end, settledBefore)) as unknown as readonly SettledRow[];
  const kept = new Set(Array.from({ length: reader.number() }, () => reader.text()));
  const old = rows.filter(
    ({ id, settled_at }) =>
      typeof settled_at === 'number' && settled_at < settledBefore && !kept.has(textOf(id)),
  );
  let deleted = 0;
  for (const row of old) if (deletion.delete(row)) deleted += 1;
  deletion.end();
  writer.number(deleted);
  const isOver = rows.length < mostDeleted;
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
