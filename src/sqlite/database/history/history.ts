import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { beyond, beyondBalance } from '../../../core/storage/reading/unreadable-orders.ts';
import type { Reader, Writer } from '../../thread/wire.ts';
import { type Row, readable, selected, type Text, textOf } from '../rows.ts';
import { lastSettlement, type SettlementsRow, unpacked } from './settlements.ts';

/** How many settlements a page looks at before it ends. */
const mostLookedAt = 4_096;

/** A page of settled orders ends early with this many characters: payloads may be long. */
const pageCharacters = 1_000_000;

const own = `status = 'completed' AND is_late IS NULL`;
const ownColumns = `${readable('id')}, ${readable('amount')}, ${readable('balance')},
  ${readable('settled_at')}, settlement, seq`;
const creditColumns = `${readable('id')}, postings.amount, postings.balance, settled_at,
  postings.settlement, postings.seq`;
const credits =
  'postings CROSS JOIN orders ON orders.seq = postings.seq WHERE postings.user_id = ?';

/** Each names its index, as the queries of `Reads` do. */
export const historyQueries = {
  lastSettlement,
  pruned: 'SELECT pruned, pruned_at FROM meta',
  settlementsUpTo: `SELECT first, at, orders FROM settlements WHERE first <= ? ORDER BY first DESC LIMIT 1`,
  settlementsFrom: 'SELECT first, at, orders FROM settlements WHERE first >= ? ORDER BY first',
  order: `SELECT ${selected} FROM orders NOT INDEXED WHERE seq = ?`,
  settledAt: `SELECT ${readable('settled_at')} FROM orders NOT INDEXED WHERE seq = ?`,
  greatestSeq: 'SELECT max(seq) FROM orders INDEXED BY orders_by_user WHERE user_id = ?',
  ownFrom: `SELECT ${ownColumns} FROM orders INDEXED BY orders_by_user
    WHERE user_id = ? AND seq >= ? AND ${own} ORDER BY seq LIMIT ?`,
  ownBefore: `SELECT ${ownColumns} FROM orders INDEXED BY orders_by_user
    WHERE user_id = ? AND seq < ? AND ${own} ORDER BY seq DESC LIMIT 1`,
  lateAfter: `SELECT ${ownColumns} FROM orders INDEXED BY orders_late
    WHERE user_id = ? AND is_late = 1 AND settlement > ? ORDER BY settlement LIMIT ?`,
  lateUpTo: `SELECT ${ownColumns} FROM orders INDEXED BY orders_late
    WHERE user_id = ? AND is_late = 1 AND settlement <= ? ORDER BY settlement DESC LIMIT 1`,
  creditsAfter: `SELECT ${creditColumns} FROM ${credits} AND postings.settlement > ?
    ORDER BY postings.settlement LIMIT ?`,
  creditsUpTo: `SELECT ${creditColumns} FROM ${credits} AND postings.settlement <= ?
    ORDER BY postings.settlement DESC LIMIT 1`,
  balance: `SELECT ${readable('balance')}, pruned IS NULL FROM balances WHERE user_id = ?`,
  balances: `SELECT ${readable('user_id, balance')}, pruned IS NULL FROM balances
    WHERE balances.user_id > ? ORDER BY balances.user_id LIMIT ?`,
} as const;

/** A change of a balance. A number beyond the safe integers is a text. */
type MovementRow = readonly [
  id: Text,
  amount: number | string,
  balance: number | string,
  settledAt: number | string,
  settlement: number,
  seq: number,
];

/** Reads what was settled in the order in which it was applied. Each call sees one state of the file. */
export class History {
  readonly #db: DatabaseSync;
  readonly #statements: Readonly<Record<keyof typeof historyQueries, StatementSync>>;

  constructor(db: DatabaseSync) {
    this.#db = db;
    const prepared = Object.entries(historyQueries).map(([name, sql]) => {
      const statement = db.prepare(sql);
      statement.setReturnArrays(true);
      return [name, statement] as const;
    });
    this.#statements = Object.fromEntries(prepared) as never;
  }

  /** One page, then where the next one begins, the last settlement, and how far settlements may be missing. */
  settled(reader: Reader, writer: Writer, write: (row: Row) => void): void {
    const after = reader.number();
    const limit = reader.number();
    this.#atOnce(() => {
      const forgotten = this.#pruned();
      const last = this.#last();
      let next = Math.max(after, forgotten);
      const end = Math.min(last, next + mostLookedAt);
      let count = 0;
      let characters = 0;
      for (const { first, seqs } of next < end ? this.#rowsFrom(next + 1) : []) {
        for (let at = Math.max(0, next + 1 - first); at < seqs.length; at += 1) {
          if (next >= end || count === limit || characters > pageCharacters) break;
          next = first + at;
          const row = this.#statements.order.get(seqs[at] as number) as unknown as Row | undefined;
          if (row === undefined) continue;
          write(row);
          count += 1;
          characters += row[13]?.length ?? 0;
        }
        if (next >= end || count === limit || characters > pageCharacters) break;
      }
      writer.number(0);
      for (const number of [next, last, forgotten]) writer.number(number);
    });
  }

  movements(reader: Reader, writer: Writer): void {
    const userId = reader.text();
    const after = reader.number();
    const from = reader.maybeNumber();
    const before = reader.maybeNumber();
    const limit = reader.number();
    this.#atOnce(() => {
      const begin = from === null ? 0 : this.#lastUpTo(from - 1);
      const upTo = before === null ? this.#last() : this.#lastUpTo(before - 1);
      const forgotten = this.#pruned();
      const rows = this.#movementsAfter(userId, Math.max(after, begin, forgotten), limit + 1);
      const page = rows.filter(([, , , , settlement]) => settlement <= upTo);
      const hasMore = page.length > limit;
      if (hasMore) page.pop();
      writer.number(page.length);
      for (const row of page) writeMovement(writer, row);
      writer.number(hasMore ? page.at(-1)?.[4] : undefined);
      writer.number(forgotten);
    });
  }

  balanceAt(reader: Reader, writer: Writer): void {
    const userId = reader.text();
    const time = reader.number();
    this.#atOnce(() => {
      const { balance, isForgotten } = this.#balanceAt(userId, time);
      writer.number(balance);
      writer.number(isForgotten ? 1 : 0);
    });
  }

  /** One page: each balance after a 1, with a 0 after the last. */
  balances(reader: Reader, writer: Writer): void {
    const [after, limit] = [reader.text(), reader.number()];
    this.#atOnce(() => {
      const [, prunedAt] = this.#statements.pruned.get() as unknown as [number, number | null];
      for (const row of this.#statements.balances.iterate(after, limit) as Iterable<unknown>) {
        const [user, balance, hasAll] = row as readonly [Text, number | string, number];
        const userId = textOf(user);
        if (typeof balance === 'string') throw beyondBalance(userId, balance);
        writer.number(1);
        writer.text(userId);
        writer.numbers(balance, hasAll === 1 ? undefined : (prunedAt ?? undefined));
      }
      writer.number(0);
    });
  }

  #balanceAt(
    userId: string,
    time: number,
  ): { readonly balance: number | undefined; readonly isForgotten: boolean } {
    const pruned = this.#pruned();
    const upTo = this.#lastUpTo(time);
    const movement = upTo > pruned ? this.#lastMovement(userId, upTo) : undefined;
    if (movement !== undefined && movement[4] > pruned) {
      return { balance: safe(movement, 2), isForgotten: false };
    }
    if (pruned === 0) return { balance: undefined, isForgotten: false };
    const [, prunedAt] = this.#statements.pruned.get() as unknown as [number, number];
    if (time < prunedAt) return { balance: undefined, isForgotten: true };
    const [now, hasAll] = (this.#statements.balance.get(userId) ?? [undefined, 1]) as unknown as [
      number | undefined,
      number,
    ];
    if (hasAll === 1) return { balance: undefined, isForgotten: false };
    const [next] = this.#movementsAfter(userId, Math.max(upTo, pruned), 1);
    const opening = next === undefined ? now : safe(next, 2) - safe(next, 1);
    return { balance: opening, isForgotten: false };
  }

  /** The next movements behind a settlement, of three sources, each in its order. */
  #movementsAfter(userId: string, after: number, limit: number): MovementRow[] {
    const { ownFrom, lateAfter, creditsAfter } = this.#statements;
    const rows = [
      ...ownFrom.all(userId, this.#firstOwn(userId, after), limit),
      ...lateAfter.all(userId, after, limit),
      ...creditsAfter.all(userId, after, limit),
    ] as unknown as MovementRow[];
    return rows.sort((one, other) => one[4] - other[4]).slice(0, limit);
  }

  #lastMovement(userId: string, upTo: number): MovementRow | undefined {
    const { ownBefore, lateUpTo, creditsUpTo } = this.#statements;
    const rows = [
      ownBefore.get(userId, this.#firstOwn(userId, upTo)),
      lateUpTo.get(userId, upTo),
      creditsUpTo.get(userId, upTo),
    ].filter((row) => row !== undefined) as unknown as MovementRow[];
    return rows.sort((one, other) => other[4] - one[4])[0];
  }

  /** The least `seq` from which on all completed orders of a user that are not late were settled behind a settlement. */
  #firstOwn(userId: string, after: number): number {
    if (after === 0) return 0;
    const [greatest] = this.#statements.greatestSeq.get(userId) as unknown as [number | null];
    let [from, upTo] = [0, (greatest ?? 0) + 1];
    while (from < upTo) {
      const middle = Math.floor((from + upTo) / 2);
      const row = this.#statements.ownFrom.get(userId, middle, 1) as unknown as
        | MovementRow
        | undefined;
      if (row === undefined || row[4] > after) upTo = middle;
      else from = row[5] + 1;
    }
    return from;
  }

  /** The last settlement whose time is not later: the greatest time of all settlements up to it. */
  #lastUpTo(time: number): number {
    const last = this.#last();
    // The first row that ends later.
    let [from, upTo] = [1, last + 1];
    while (from < upTo) {
      const middle = Math.floor((from + upTo) / 2);
      const row = this.#rowAt(middle);
      if (row === undefined) from = middle + 1;
      else if (row.at > time) upTo = row.first;
      else from = row.first + row.seqs.length;
    }
    const row = from > last ? undefined : this.#rowAt(from);
    if (row === undefined) return Math.min(from - 1, last);
    let count = 0;
    for (const seq of row.seqs) {
      const [settledAt] = (this.#statements.settledAt.get(seq) ?? [0]) as unknown as [number];
      if (Number(settledAt) > time) break;
      count += 1;
    }
    return row.first + count - 1;
  }

  #rowAt(settlement: number) {
    const row = this.#statements.settlementsUpTo.get(settlement) as unknown as ArrayRow | undefined;
    return row && toSettlements(row);
  }

  *#rowsFrom(settlement: number) {
    const first = this.#rowAt(settlement);
    if (first !== undefined) yield first;
    const from = first === undefined ? settlement : first.first + first.seqs.length;
    for (const row of this.#statements.settlementsFrom.iterate(from) as Iterable<unknown>) {
      yield toSettlements(row as ArrayRow);
    }
  }

  #last(): number {
    const row = this.#statements.lastSettlement.get() as unknown as ArrayRow | undefined;
    if (row === undefined) return 0;
    const { first, seqs } = toSettlements(row);
    return first + seqs.length - 1;
  }

  #pruned(): number {
    return (this.#statements.pruned.get() as unknown as [number])[0];
  }

  #atOnce(read: () => void): void {
    this.#db.exec('BEGIN');
    try {
      read();
    } finally {
      this.#db.exec('COMMIT');
    }
  }
}

type ArrayRow = readonly [
  first: SettlementsRow['first'],
  at: SettlementsRow['at'],
  orders: SettlementsRow['orders'],
];

function toSettlements([first, at, orders]: ArrayRow) {
  return { first, at, seqs: unpacked(orders) };
}

function writeMovement(writer: Writer, row: MovementRow): void {
  writer.text(textOf(row[0]));
  for (const column of [1, 2, 3] as const) writer.number(safe(row, column));
  writer.number(row[4]);
}

/** @throws UnreadableOrder if the number is no safe integer */
function safe(row: MovementRow, column: 1 | 2 | 3): number {
  const number = row[column];
  if (typeof number === 'number') return number;
  throw beyond(textOf(row[0]));
}
