/**
 * An outbox: one mail for each outcome, even if its writer ends at any moment. The place in the feed is written in the
 * same transaction as the mail. It has a database of its own, as the mails of a host would.
 */
import { DatabaseSync } from 'node:sqlite';
import type { Credits } from './credits.ts';
import { money } from './money.ts';

export class Outbox {
  readonly #db: DatabaseSync;

  constructor(file: string) {
    this.#db = new DatabaseSync(file);
    this.#db.exec(`
      CREATE TABLE mails (number INTEGER PRIMARY KEY, order_id TEXT, text TEXT) STRICT;
      CREATE TABLE place (row INTEGER PRIMARY KEY CHECK (row = 1), cursor TEXT) STRICT;
    `);
  }

  /** The mails, the oldest first. */
  get mails(): readonly { readonly orderId: string; readonly text: string }[] {
    const rows = this.#db.prepare('SELECT order_id, text FROM mails ORDER BY number').all();
    return rows.map((row) => ({ orderId: String(row.order_id), text: String(row.text) }));
  }

  /**
   * Writes a mail for each outcome behind the last one that has a mail, and goes on until the signal aborts or the
   * processor has shut down.
   *
   * @param failAfter - after how many mails it fails, in the middle of a transaction, to show what comes of that
   */
  async follow({ processor }: Credits, signal?: AbortSignal, failAfter?: number): Promise<void> {
    const place = this.#db.prepare('SELECT cursor FROM place').get();
    const after = place === undefined ? undefined : String(place.cursor);
    const write = this.#db.prepare('INSERT INTO mails (order_id, text) VALUES (?, ?)');
    const move = this.#db.prepare('INSERT OR REPLACE INTO place VALUES (1, ?)');
    let written = 0;
    for await (const { cursor, order } of processor.outcomes({ after, signal })) {
      const { id, userId, payload, status, amount, code } = order;
      const why = code === undefined ? '' : ` (${code})`;
      this.#db.exec('BEGIN');
      try {
        write.run(id, `${userId}: ${payload.kind} of ${money(amount)} ${status}${why}`);
        if (written === failAfter) throw new Error('The writer fails');
        move.run(cursor);
        this.#db.exec('COMMIT');
      } catch (error) {
        this.#db.exec('ROLLBACK');
        throw error;
      }
      written += 1;
    }
  }

  close(): void {
    this.#db.close();
  }
}
