import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { readable, type Text, textOf } from '../database/rows.ts';
import type { Reader, Writer } from '../thread/wire.ts';
import { readHold, writeHold } from './hold-codec.ts';

/** A row of holds. `heldAt` is a text beyond the safe integers, see `readable`. */
type Row = readonly [
  userId: Text,
  reason: Text | null,
  heldAt: number | string,
  orderId: Text | null,
  code: string | null,
  message: Text | null,
  compensated: string | null,
];

const columns = 'user_id, reason, held_at, order_id, code, message, compensated';

/** Writes the holds of lanes inside a transaction that `Database` begins and ends. */
export class HoldRows {
  readonly #hold: StatementSync;
  readonly #release: StatementSync;
  readonly #tryAgain: StatementSync;

  constructor(db: DatabaseSync) {
    this.#hold = db.prepare(
      `INSERT OR REPLACE INTO holds (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#release = db.prepare('DELETE FROM holds WHERE user_id = ?');
    this.#tryAgain = db.prepare(
      'UPDATE orders SET decided = ? WHERE id = ? AND settled_at IS NULL',
    );
  }

  hold(reader: Reader): void {
    const { userId, reason, heldAt, orderId, code, message, compensated } = readHold(reader);
    const order = [orderId ?? null, code ?? null, message ?? null];
    const steps = compensated === undefined ? null : JSON.stringify(compensated);
    this.#hold.run(userId, reason ?? null, heldAt, ...order, steps);
  }

  release(reader: Reader): void {
    this.#release.run(reader.text());
    const orderId = reader.maybeText();
    const compensations = reader.maybeText();
    if (orderId !== null) this.#tryAgain.run(compensations, orderId);
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

  /** One page, as `readHolds` reads it. */
  holds(reader: Reader, writer: Writer): void {
    const [after, limit] = [reader.text(), reader.number()];
    for (const each of this.#page.iterate(after, limit) as Iterable<unknown>) {
      const [userId, reason, heldAt, orderId, code, message, compensated] = each as Row;
      writer.number(1);
      writeHold(writer, {
        userId: textOf(userId),
        reason: textOf(reason) ?? undefined,
        // Its age is for people: a time that was changed at a shell must not hide the hold.
        heldAt: typeof heldAt === 'number' ? heldAt : 0,
        orderId: textOf(orderId) ?? undefined,
        code: code ?? undefined,
        message: textOf(message) ?? undefined,
        compensated: textsIn(compensated),
      });
    }
    writer.number(0);
  }
}

/** What was changed at a shell must not hide the hold. */
function textsIn(json: string | null): readonly string[] | undefined {
  try {
    const texts: unknown = json === null ? undefined : JSON.parse(json);
    const isRight = Array.isArray(texts) && texts.every((each) => typeof each === 'string');
    return isRight ? texts : undefined;
  } catch {
    return undefined;
  }
}
