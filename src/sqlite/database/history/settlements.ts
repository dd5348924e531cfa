import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** Where a transaction stood before one more order of it. */
export interface SettlementsMark {
  readonly count: number;
  readonly at: number;
}

/**
 * Numbers settlements in the order in which they are applied, from 1 up, and keeps which orders they were: one row for
 * each transaction, so that an order costs two bytes.
 */
export class Settlements {
  readonly #last: StatementSync;
  readonly #insert: StatementSync;
  /** The number of the transaction's first settlement; `undefined` before the file was asked. */
  #first: number | undefined;
  /** The greatest time of a settlement so far. */
  #at = 0;
  #seqs: number[] = [];

  constructor(db: DatabaseSync) {
    this.#last = db.prepare(lastSettlement);
    this.#insert = db.prepare('INSERT INTO settlements (first, at, orders) VALUES (?, ?, ?)');
  }

  /** The number of the next settlement. */
  get next(): number {
    this.#first ??= this.#read();
    return this.#first + this.#seqs.length;
  }

  /** The order of this `seq` is settled with the number `next`. */
  add(seq: number, settledAt: number): void {
    if (settledAt > this.#at) this.#at = settledAt;
    this.#seqs.push(seq);
  }

  /** Writes what was added. To be called right before the transaction is committed. */
  write(): void {
    const { length } = this.#seqs;
    if (length === 0) return;
    const first = this.next - length;
    this.#insert.run(first, this.#at, packed(this.#seqs));
    this.#first = first + length;
    this.#seqs = [];
  }

  mark(): SettlementsMark {
    return { count: this.#seqs.length, at: this.#at };
  }

  /** Forgets what was added since a mark. */
  rewind({ count, at }: SettlementsMark): void {
    this.#seqs.length = count;
    this.#at = at;
  }

  /** Forgets all: the file may have other settlements. */
  clear(): void {
    this.#seqs = [];
    this.#first = undefined;
  }

  #read(): number {
    const row = this.#last.get() as unknown as SettlementsRow | undefined;
    this.#at = row?.at ?? 0;
    return row === undefined ? 1 : row.first + unpacked(row.orders).length;
  }
}

/** A row of the table. */
export interface SettlementsRow {
  /** The number of its first settlement. */
  readonly first: number;
  /** The greatest time of all settlements up to its last one, in Unix milliseconds. */
  readonly at: number;
  readonly orders: Uint8Array;
}

export const lastSettlement =
  'SELECT first, at, orders FROM settlements ORDER BY first DESC LIMIT 1';

/** Each number as its difference from the one before, seven bits a byte, the lowest first. */
export function packed(seqs: readonly number[]): Uint8Array {
  const bytes: number[] = [];
  let before = 0;
  for (const seq of seqs) {
    const difference = seq - before;
    // Even numbers go up and odd ones down.
    let rest = difference < 0 ? -2 * difference - 1 : 2 * difference;
    for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
    bytes.push(rest);
    before = seq;
  }
  return Uint8Array.from(bytes);
}

export function unpacked(bytes: Uint8Array): number[] {
  const seqs: number[] = [];
  let before = 0;
  let value = 0;
  let factor = 1;
  for (const byte of bytes) {
    value += (byte % 128) * factor;
    factor *= 128;
    if (byte >= 128) continue;
    before += value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    seqs.push(before);
    value = 0;
    factor = 1;
  }
  return seqs;
}
