import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Source } from '../file/opened-file.ts';
import { readOrder } from '../thread/read-orders.ts';
import { Reader, Writer } from '../thread/wire.ts';
import { withConnection } from './backup-and-check.ts';
import { type Row, readable, SEQ, selected, type Text, textOf, writeRow } from './rows.ts';

/** How many problems of each kind are reported. */
const MOST = 100;

/** So many users are summed up in one transaction: the log grows as long as one lasts. */
const PIECE = 1_000;

/** The problems of a file of orders: those that SQLite finds, then contradictions in its contents. */
export function check(source: Source): string[] {
  return withConnection(source, (db) => {
    // A temporary file would be outside the folder, where there may be no room for it, or no permission.
    db.exec('PRAGMA temp_store = MEMORY');
    return [
      ...brokenPages(db),
      ...new Sums(db).problems(),
      ...wrongOpenings(db),
      ...unreadableOrders(db),
    ];
  });
}

function brokenPages(db: DatabaseSync): string[] {
  const rows = db.prepare(`PRAGMA integrity_check(${MOST})`).all();
  const problems = rows.map((row) => String(Object.values(row)[0]));
  return problems.length === 1 && problems[0] === 'ok' ? [] : problems;
}

function wrongOpenings(db: DatabaseSync): string[] {
  const statement = db.prepare(
    `SELECT ${readable('id')}, orders.life AS has, meta.life AS ought FROM orders, meta
     WHERE orders.life > meta.life LIMIT ${MOST}`,
  );
  statement.setReadBigInts(true);
  const rows = statement.all() as unknown as readonly { id: Text; has: bigint; ought: bigint }[];
  return rows.map(
    ({ id, has, ought }) =>
      `Order ${JSON.stringify(textOf(id))} was accepted in opening ${has}, but the last opening was ${ought}`,
  );
}

/** Orders that the library itself cannot read, a piece at a time. */
function unreadableOrders(db: DatabaseSync): string[] {
  const statement = db.prepare(
    `SELECT ${selected} FROM orders NOT INDEXED WHERE seq > ? ORDER BY seq LIMIT ${PIECE}`,
  );
  statement.setReturnArrays(true);
  const problems: string[] = [];
  const writer = new Writer(0);
  let count = PIECE;
  let last = 0;
  while (count === PIECE && problems.length < MOST) {
    count = 0;
    for (const each of statement.iterate(last) as Iterable<unknown>) {
      const row = each as Row;
      count += 1;
      last = row[SEQ];
      try {
        writer.clear();
        writeRow(writer, row, 1);
        readOrder(new Reader(writer.take()));
      } catch (error) {
        problems.push((error as Error).message);
      }
    }
  }
  return problems.slice(0, MOST);
}

interface Balance {
  readonly user_id: Text;
  readonly balance: bigint;
  readonly pruned: bigint | null;
}

/** Compares balances with the sums of their orders, user by user: it holds no more than a piece of them in memory. */
class Sums {
  readonly #db: DatabaseSync;
  readonly #balances: StatementSync;
  readonly #nextUser: StatementSync;
  readonly #balance: StatementSync;
  readonly #amounts: StatementSync;
  readonly #credits: StatementSync;
  readonly #nextCredited: StatementSync;
  readonly #problems: string[] = [];

  constructor(db: DatabaseSync) {
    const prepare = (sql: string): StatementSync => {
      const statement = db.prepare(sql);
      // An integer of any size is compared as it stands.
      statement.setReadBigInts(true);
      return statement;
    };
    this.#db = db;
    this.#balances = prepare(
      `SELECT ${readable('user_id')}, balance, pruned FROM balances
       WHERE balances.user_id > ? ORDER BY balances.user_id LIMIT ${PIECE}`,
    );
    this.#nextUser = prepare(
      `SELECT ${readable('user_id')} FROM orders WHERE orders.user_id > ?
       ORDER BY orders.user_id LIMIT 1`,
    );
    this.#balance = prepare('SELECT balance FROM balances WHERE user_id = ?');
    this.#amounts = prepare("SELECT amount FROM orders WHERE user_id = ? AND status = 'completed'");
    this.#credits = prepare('SELECT amount FROM postings WHERE user_id = ?');
    this.#nextCredited = prepare(
      `SELECT ${readable('user_id')} FROM postings WHERE postings.user_id > ?
       ORDER BY postings.user_id LIMIT 1`,
    );
  }

  problems(): readonly string[] {
    const compareOwners = (after: string) => this.#compareUsers(this.#nextUser, after);
    const compareCredited = (after: string) => this.#compareUsers(this.#nextCredited, after);
    for (const piece of [this.#compareBalances, compareOwners, compareCredited]) {
      let after: string | undefined = '';
      while (after !== undefined && this.#problems.length < MOST) {
        this.#db.exec('BEGIN');
        after = piece.call(this, after);
        this.#db.exec('COMMIT');
      }
    }
    return this.#problems;
  }

  /** The balances of users behind one, in order; answers the last of them. */
  #compareBalances(after: string): string | undefined {
    const rows = this.#balances.all(after) as unknown as readonly Balance[];
    for (const { user_id, balance, pruned } of rows) {
      const userId = textOf(user_id);
      const ought = (pruned ?? 0n) + (this.#sumOf(userId) ?? 0n);
      if (balance !== ought) this.#add(userId, String(balance), ought);
    }
    const last = rows.at(-1);
    return last && textOf(last.user_id);
  }

  /** The same for users that have orders or were credited, and have no balance. */
  #compareUsers(nextUser: StatementSync, after: string): string | undefined {
    let last = after;
    for (let count = 0; count < PIECE; count += 1) {
      const row = nextUser.get(last) as { user_id: Text } | undefined;
      if (row === undefined) return undefined;
      last = textOf(row.user_id);
      if (this.#balance.get(last) !== undefined) continue;
      const ought = this.#sumOf(last);
      if (ought !== undefined) this.#add(last, 'none', ought);
    }
    return last;
  }

  /** Not by SQLite, whose sum fails where it leaves 64 bits. */
  #sumOf(userId: string): bigint | undefined {
    let sum: bigint | undefined;
    for (const amounts of [this.#amounts, this.#credits]) {
      for (const row of amounts.iterate(userId)) sum = (sum ?? 0n) + (row.amount as bigint);
    }
    return sum;
  }

  #add(userId: string, has: string, ought: bigint): void {
    if (this.#problems.length === MOST) return;
    this.#problems.push(
      `The balance of user ${JSON.stringify(userId)} is ${has}, but its orders sum up to ${ought}`,
    );
  }
}
