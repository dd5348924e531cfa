import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { readable, type Text, textOf } from '../database/rows.ts';
import type { Reader, Writer } from '../thread/wire.ts';

/** A row of holds. `heldAt` is a text beyond the safe integers, see `readable`. */
type Row = readonly [userId: Text, heldAt: number | string, ...(Text | null)[]];

const texts = ['reason', 'order_id', 'code', 'message', 'compensated', 'failure'] as const;
const columns = `user_id, held_at, ${texts.join(', ')}`;

/** Writes the holds of lanes inside a transaction that `Database` begins and ends. */
export class HoldRows {
  readonly #hold: StatementSync;
  readonly #release: StatementSync;
  readonly #tryAgain: StatementSync;
  readonly #settled: StatementSync;
  readonly #left: StatementSync;

  constructor(db: DatabaseSync) {
    this.#hold = db.prepare(
      `INSERT OR REPLACE INTO holds (${columns}) VALUES (?, ?, ${texts.map(() => '?').join(', ')})`,
    );
    this.#release = db.prepare('DELETE FROM holds WHERE user_id = ?');
    this.#tryAgain = db.prepare(
      'UPDATE orders SET decided = ? WHERE id = ? AND settled_at IS NULL',
    );
    const held = 'WHERE user_id = ? AND order_id = ?';
    this.#settled = db.prepare(`DELETE FROM holds ${held} AND reason IS NULL`);
    const none = ['order_id', 'code', 'message', 'compensated', 'failure'].map(
      (name) => `${name} = NULL`,
    );
    this.#left = db.prepare(`UPDATE holds SET ${none.join(', ')} ${held}`);
  }

  hold(reader: Reader): void {
    const [userId, heldAt] = [reader.text(), reader.number()];
    this.#hold.run(userId, heldAt, ...texts.map(() => reader.maybeText()));
  }

  release(reader: Reader): void {
    this.#release.run(reader.text());
    const orderId = reader.maybeText();
    const compensations = reader.maybeText();
    if (orderId !== null) this.#tryAgain.run(compensations, orderId);
  }

  /** The failed order that holds the lane is settled: the lane stays held by hand, if it is. */
  settled(userId: string, orderId: string): void {
    this.#settled.run(userId, orderId);
    this.#left.run(userId, orderId);
  }
}

/** Reads the holds of lanes. */
export class HoldReads {
  readonly #page: StatementSync;

  constructor(db: DatabaseSync) {
    this.#page = db.prepare(
      `SELECT ${readable(columns)} FROM holds WHERE holds.user_id > ? ORDER BY holds.user_id LIMIT ?`,
    );
    this.#page.setReturnArrays(true);
  }

  /** One page: each hold after a 1, with a 0 after the last. */
  holds(reader: Reader, writer: Writer): void {
    const [after, limit] = [reader.text(), reader.number()];
    for (const each of this.#page.iterate(after, limit) as Iterable<unknown>) {
      const [userId, heldAt, ...rest] = each as Row;
      writer.number(1);
      writer.text(textOf(userId));
      // Its age is for people: a time that was changed at a shell must not hide the hold.
      writer.number(typeof heldAt === 'number' ? heldAt : 0);
      for (const text of rest) writer.text(textOf(text));
    }
    writer.number(0);
  }
}
