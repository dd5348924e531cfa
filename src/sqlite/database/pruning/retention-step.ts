import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { retainStates } from '../../thread/codec.ts';
import type { Reader, Writer } from '../../thread/wire.ts';
import { type SettlementsRow, unpacked } from '../history/settlements.ts';
import { textOf } from '../rows.ts';
import { pragma } from '../schema.ts';
import { type Deletion, deletedColumns, mostDeleted, type SettledRow } from './deletion.ts';

/** How long one step deletes, in milliseconds. Its commit takes about as long again. */
const sliceMs = 2;

/** The size of the file is looked at before so many orders. */
const ordersPerLook = 16;

/** Each names its index, as the queries of `Reads` do. */
export const retainQueries = {
  lastRowUpTo: 'SELECT max(first) FROM settlements WHERE first <= ?',
  settlementsFrom: 'SELECT first, orders FROM settlements WHERE first >= ? ORDER BY first',
  settledRow: `SELECT ${deletedColumns} FROM orders NOT INDEXED WHERE seq = ?`,
} as const;

/** A file may be larger by this factor before its retention is behind. */
const behindFrom = 17 / 16;

/** Deletes the settled orders that are not to be kept, in the order in which they were settled. */
export class RetentionStep {
  readonly #deletion: Deletion;
  readonly #statements: Readonly<Record<keyof typeof retainQueries, StatementSync>>;
  readonly #pruned: StatementSync;
  readonly #pages: StatementSync;
  readonly #freePages: StatementSync;
  readonly #pageSize: number;

  constructor(db: DatabaseSync, deletion: Deletion) {
    this.#deletion = deletion;
    const prepared = Object.entries(retainQueries).map(([name, sql]) => [name, db.prepare(sql)]);
    this.#statements = Object.fromEntries(prepared) as never;
    this.#pruned = db.prepare('SELECT pruned FROM meta');
    this.#pages = db.prepare('PRAGMA page_count');
    this.#freePages = db.prepare('PRAGMA freelist_count');
    this.#pageSize = pragma(db, 'page_size');
  }

  /** Deletes for some milliseconds. Answers whether there is more to delete. */
  run(reader: Reader, writer: Writer): void {
    const settledBefore = reader.number();
    const bytes = reader.number();
    const kept = new Set(Array.from({ length: reader.number() }, () => reader.text()));
    const from = numberFrom(this.#pruned);
    const endAt = performance.now() + sliceMs;
    let upTo = from;
    let count = 0;
    let isTooLarge = false;
    let isOver = true;
    for (const [settlement, order] of this.#settledFrom(from + 1)) {
      isOver = false;
      if (count % ordersPerLook === 0) isTooLarge = this.#usedBytes() > bytes;
      // What only a shell can have made of an order is passed over.
      if (typeof order?.settled_at === 'number') {
        const isWanted = !isTooLarge && order.settled_at >= settledBefore;
        // A settlement that is not answered yet may come again: nothing is to be done before it is.
        isOver = isWanted || kept.has(textOf(order.id));
        if (isOver) break;
        this.#deletion.delete(order);
      }
      upTo = settlement;
      count += 1;
      if (count === mostDeleted || performance.now() >= endAt) break;
      isOver = true;
    }
    if (upTo > from) this.#deletion.end(upTo);
    const isBehind = !isOver && this.#usedBytes() > bytes * behindFrom;
    writer.number(retainStates.indexOf(isOver ? 'done' : isBehind ? 'behind' : 'more'));
  }

  /** The settled orders from a settlement on; `undefined` for each that is not there. */
  *#settledFrom(from: number): Iterable<readonly [number, SettledRow | undefined]> {
    const { lastRowUpTo, settlementsFrom, settledRow } = this.#statements;
    const first = numberFrom(lastRowUpTo, from);
    for (const each of settlementsFrom.iterate(first) as Iterable<unknown>) {
      const { first, orders } = each as Pick<SettlementsRow, 'first' | 'orders'>;
      for (const [at, seq] of unpacked(orders).entries()) {
        if (first + at < from) continue;
        yield [first + at, settledRow.get(seq) as SettledRow | undefined];
      }
    }
  }

  #usedBytes(): number {
    return (numberFrom(this.#pages) - numberFrom(this.#freePages)) * this.#pageSize;
  }
}

function numberFrom(statement: StatementSync, ...values: readonly number[]): number {
  return Number(Object.values(statement.get(...values) ?? {})[0]);
}
