import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { type Ending, type Fields, noData, pending } from '../incoming.ts';
import { results } from '../thread/codec.ts';
import type { Reader, Writer } from '../thread/wire.ts';
import { LinkRows } from './link-rows.ts';
import { columns } from './rows.ts';

/** Takes more room than any page has left. */
const PROBE = ' '.repeat(16_384);

/** Writes the rows of orders inside a transaction that `Database` begins and ends. */
export class OrderRows {
  /** The order that was written last: if it is in the file, so is the whole transaction. */
  readonly touched: { id: string; settledAt: number | null } = { id: '', settledAt: null };
  readonly #life: number;
  readonly #insert: StatementSync;
  readonly #setTimes: StatementSync;
  readonly #settle: StatementSync;
  readonly #seqOf: StatementSync;
  readonly #note: StatementSync;
  readonly #amend: StatementSync;
  readonly #remember: StatementSync;
  readonly #forget: StatementSync;
  readonly #lower: StatementSync;
  readonly #links: LinkRows;
  #sequence = 0;

  constructor(db: DatabaseSync, life: number) {
    this.#life = life;
    this.#insert = db.prepare(
      `INSERT INTO orders (${columns}) VALUES (${new Array(24).fill('?').join(', ')})
       ON CONFLICT (id) DO NOTHING`,
    );
    this.#setTimes = db.prepare('UPDATE orders SET not_before = ?, expires_at = ? WHERE seq = ?');
    this.#settle = db.prepare(
      `UPDATE orders NOT INDEXED SET status = ?, started_at = ?, settled_at = ?, balance = ?, retryable = ?,
       code = ?, message = ?, steps = ?, cause = ?, results = ?, decided = NULL, remembered = NULL, postings = coalesce(?, postings),
       settlement = ?, is_late = ? WHERE seq = ? AND id = ? AND settled_at IS NULL`,
    );
    this.#seqOf = db.prepare('SELECT seq FROM orders WHERE id = ?');
    this.#note = db.prepare('UPDATE orders SET decided = ? WHERE id = ? AND settled_at IS NULL');
    this.#amend = db.prepare('UPDATE orders SET steps = ? WHERE id = ? AND settled_at IS NOT NULL');
    this.#remember = db.prepare(
      'UPDATE orders NOT INDEXED SET remembered = ? WHERE seq = ? AND id = ? AND settled_at IS NULL',
    );
    this.#lower = db.prepare('UPDATE orders SET amount = ?, ordered_amount = ? WHERE seq = ?');
    this.#links = new LinkRows(db);
    this.#forget = db.prepare('DELETE FROM orders WHERE id = ?');
  }

  /** Of the order that was added or settled last. */
  get sequence(): number {
    return this.#sequence;
  }

  /** The `seq` of an accepted order; 0 for one that is not there. */
  seqOf({ id, sequence }: Fields): number {
    if (sequence > 0) return sequence;
    return (this.#seqOf.get(id) as { seq: number } | undefined)?.seq ?? 0;
  }

  /** Adds an order, unless its id is taken. Returns whether it did. */
  add(fields: Fields, ending: Ending): boolean {
    const { changes, lastInsertRowid } = this.#insert.run(
      fields.id,
      fields.userId,
      fields.amount,
      fields.priority,
      ending.status,
      fields.acceptedAt,
      ending.startedAt,
      ending.settledAt,
      ending.balance,
      ending.retryable,
      this.#life,
      ending.code,
      ending.message,
      fields.payload,
      fields.content,
      fields.labels,
      ending.steps,
      ending.cause,
      ending.decided,
      fields.postings,
      ending.results,
      null,
      ending.settlement,
      null,
    );
    this.#sequence = Number(lastInsertRowid);
    if (changes === 1) {
      this.#touch(fields.id, ending.settledAt);
      if (fields.notBefore !== null || fields.expiresAt !== null) this.#setTimesOf(fields);
      this.#links.add(fields);
    }
    return changes === 1;
  }

  #setTimesOf({ notBefore, expiresAt }: Fields): void {
    this.#setTimes.run(notBefore, expiresAt, this.#sequence);
  }

  /** Records an order's outcome, unless it has one. Returns whether it did. */
  end(fields: Fields, ending: Ending, isAccepted: boolean): boolean {
    if (!isAccepted) return this.add(fields, ending);
    this.#sequence = this.seqOf(fields);
    const { changes } = this.#settle.run(
      ending.status,
      ending.startedAt,
      ending.settledAt,
      ending.balance,
      ending.retryable,
      ending.code,
      ending.message,
      ending.steps,
      ending.cause,
      ending.results,
      fields.postings,
      ending.settlement,
      ending.isLate,
      this.#sequence,
      fields.id,
    );
    if (changes === 1) this.#touch(fields.id, ending.settledAt);
    return changes === 1;
  }

  /** The order that was settled last has settled another amount than was ordered. */
  lower(amount: number, orderedAmount: number): void {
    this.#lower.run(amount, orderedAmount, this.#sequence);
  }

  /** Notes the outcome of an unsettled order that is decided and not yet final. */
  note(id: string, decided: string): void {
    this.#note.run(decided, id);
  }

  /** Replaces what is remembered of the steps of unsettled orders. */
  remember(reader: Reader, writer: Writer): void {
    for (let left = reader.number(); left > 0; left -= 1) {
      const id = reader.text();
      const sequence = reader.number();
      this.#remember.run(reader.text(), sequence, id);
      writer.number(results.done);
    }
  }

  /** Replaces the results of a settled order's steps. */
  amend(id: string, steps: string | null): void {
    this.#amend.run(steps, id);
  }

  /** Finds out whether there is room for an order, by one that no caller's id can be. */
  probe(): void {
    const fields = {
      id: '',
      userId: '',
      amount: 0,
      priority: 'medium',
      acceptedAt: 0,
      sequence: 0,
    };
    this.add({ ...fields, ...noData, payload: PROBE }, pending);
    this.#forget.run('');
  }

  #touch(id: string, settledAt: number | null): void {
    this.touched.id = id;
    this.touched.settledAt = settledAt;
  }
}
