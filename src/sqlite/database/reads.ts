import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { beyondBalance } from '../../core/storage/reading/unreadable-orders.ts';
import { HoldReads } from '../holds/hold-rows.ts';
import type { ReadKind } from '../thread/calls.ts';
import { type Message, Reader, Writer } from '../thread/wire.ts';
import { History } from './history/history.ts';
import { Lists } from './lists.ts';
import {
  isReadable,
  NOT_BEFORE,
  PAYLOAD,
  type Row,
  readable,
  SEQ,
  selected,
  textOf,
  writeRow,
} from './rows.ts';

/** A page of unsettled orders ends early with this many characters: payloads may be long. */
const PAGE_CHARACTERS = 4_000_000;

/** Each query names its index: the planner's choice depends on its statistics. */
export const queries = {
  balance: `SELECT ${readable('balance')} FROM balances WHERE user_id = ?`,
  order: `SELECT ${selected} FROM orders WHERE id = ?`,
  lastSeq: 'SELECT max(seq) FROM orders',
  unsettled: `SELECT ${selected} FROM orders INDEXED BY orders_unsettled
    WHERE settled_at IS NULL AND seq > ? AND seq <= ? AND (not_before IS NULL OR not_before <= ?)
    ORDER BY seq LIMIT ?`,
  due: `SELECT ${selected} FROM orders INDEXED BY orders_due
    WHERE settled_at IS NULL AND not_before IS NOT NULL AND not_before <= ? AND (not_before, seq) > (?, ?)
    ORDER BY not_before, seq LIMIT ?`,
  nextDue: `SELECT ${readable('not_before')} FROM orders INDEXED BY orders_due
    WHERE settled_at IS NULL AND not_before IS NOT NULL AND (not_before, seq) > (?, ?)
    ORDER BY not_before, seq LIMIT 1`,
  delayed: `SELECT count(*) FROM orders INDEXED BY orders_due
    WHERE settled_at IS NULL AND not_before IS NOT NULL AND not_before > ?`,
} as const;

/** Reads orders and balances, between transactions. */
export class Reads {
  readonly #life: number;
  readonly #lists: Lists;
  readonly #holds: HoldReads;
  readonly #history: History;
  readonly #statements: Readonly<Record<keyof typeof queries, StatementSync>>;
  /** Joins no texts: a caller may keep them. */
  readonly #writer = new Writer(0);

  constructor(db: DatabaseSync, life: number) {
    this.#life = life;
    this.#lists = new Lists(db);
    this.#holds = new HoldReads(db);
    this.#history = new History(db);
    const prepared = Object.entries(queries).map(([name, sql]) => {
      const statement = db.prepare(sql);
      statement.setReturnArrays(true);
      return [name, statement] as const;
    });
    this.#statements = Object.fromEntries(prepared) as Record<keyof typeof queries, StatementSync>;
  }

  query(kind: ReadKind, message: Message): Message {
    this.#writer.clear();
    this[kind](new Reader(message), this.#writer);
    return this.#writer.take();
  }

  get(reader: Reader, writer: Writer): void {
    const userId = reader.text();
    const row = this.#statements.balance.get(userId) as unknown as [number | string] | undefined;
    if (typeof row?.[0] === 'string') throw beyondBalance(userId, row[0]);
    writer.number(row?.[0]);
  }

  find(reader: Reader, writer: Writer): void {
    const row = this.row(reader.text());
    if (row !== undefined) this.#write(writer, row);
    writer.number(0);
  }

  /** One page, then where the next one begins; `undefined` after the last one. */
  list(reader: Reader, writer: Writer): void {
    const query = {
      userId: reader.maybeText(),
      status: reader.maybeText(),
      timeFrom: reader.number(),
      timeUpTo: reader.number(),
      before: reader.number(),
      limit: reader.number(),
      maxBytes: reader.number(),
    };
    const next = this.#lists.page(query, (row) => this.#write(writer, row));
    writer.number(0);
    writer.number(next);
  }

  settled(reader: Reader, writer: Writer): void {
    this.#history.settled(reader, writer, (row) => this.#write(writer, row));
  }

  movements(reader: Reader, writer: Writer): void {
    this.#history.movements(reader, writer);
  }

  balanceAt(reader: Reader, writer: Writer): void {
    this.#history.balanceAt(reader, writer);
  }

  balances(reader: Reader, writer: Writer): void {
    this.#history.balances(reader, writer);
  }

  /** One page, then where it ends; `undefined` after the last one. */
  unsettled(reader: Reader, writer: Writer): void {
    const { unsettled, lastSeq } = this.#statements;
    const after = reader.number();
    const upTo = reader.maybeNumber() ?? (lastSeq.get() as unknown as [number | null])[0] ?? 0;
    const limit = reader.number();
    const dueBy = reader.number();
    let count = 0;
    let seq = after;
    let characters = 0;
    for (const row of unsettled.iterate(after, upTo, dueBy, limit) as Iterable<unknown>) {
      this.#write(writer, row as Row);
      seq = (row as Row)[SEQ];
      count += 1;
      characters += (row as Row)[PAYLOAD]?.length ?? 0;
      if (characters > PAGE_CHARACTERS) break;
    }
    writer.number(0);
    writer.number(count < limit && characters <= PAGE_CHARACTERS ? undefined : seq);
    writer.number(upTo);
  }

  /** One page of the holds of lanes. */
  holds(reader: Reader, writer: Writer): void {
    this.#holds.holds(reader, writer);
  }

  /** One page of delayed orders, then when the next one is due; `undefined` after the last one. */
  due(reader: Reader, writer: Writer): void {
    const { due, nextDue } = this.#statements;
    let place: readonly [number, number] = [reader.number(), reader.number()];
    const upTo = reader.number();
    const limit = reader.number();
    let characters = 0;
    for (const each of due.iterate(upTo, ...place, limit) as Iterable<unknown>) {
      const row = each as Row;
      this.#write(writer, row);
      place = [row[NOT_BEFORE] as number, row[SEQ]];
      characters += row[PAYLOAD]?.length ?? 0;
      if (characters > PAGE_CHARACTERS) break;
    }
    writer.number(0);
    for (const value of place) writer.number(value);
    writer.number((nextDue.get(...place) as unknown as [number] | undefined)?.[0]);
  }

  /** How many orders are due after a time. */
  delayed(reader: Reader, writer: Writer): void {
    const row = this.#statements.delayed.get(reader.number());
    writer.number((row as unknown as [number])[0]);
  }

  row(id: string): Row | undefined {
    return this.#statements.order.get(id) as unknown as Row | undefined;
  }

  #write(writer: Writer, row: Row): void {
    if (isReadable(row)) {
      writer.number(1);
      writeRow(writer, row, this.#life);
    } else {
      writer.number(2);
      writer.text(textOf(row[0]));
    }
  }
}
