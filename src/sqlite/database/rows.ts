import { beyond } from '../../core/storage/reading/unreadable-orders.ts';
import type { Writer } from '../thread/wire.ts';

/** The columns of an order, in the order in which they are sent. */
export const columns = `id, user_id, amount, priority, status, accepted_at, started_at, settled_at,
  balance, retryable, life, code, message, payload, content, labels, steps, cause, decided, postings, results,
  remembered, settlement, ordered_amount`;

/** The same to be read. */
export const selected = `${readable(columns)}, seq, ${readable('not_before, expires_at')}, links`;

/**
 * Node 22 ends a text at a NUL, so a text with one is read as bytes. A number beyond the safe integers, which can only
 * come from outside of the library, is read as text: otherwise Node would fail for all rows of the page.
 */
export function readable(names: string): string {
  return names
    .replace(
      /\b(id|user_id|message|reason|order_id)\b/g,
      'iif(instr($1, char(0)), CAST($1 AS BLOB), $1) AS $1',
    )
    .replace(
      /\b(amount|ordered_amount|accepted_at|started_at|settled_at|balance|retryable|life|settlement|not_before|expires_at|held_at)\b/g,
      `iif($1 BETWEEN ${Number.MIN_SAFE_INTEGER} AND ${Number.MAX_SAFE_INTEGER}, $1, CAST($1 AS TEXT))`,
    );
}

/** A text, or its bytes. */
export type Text = string | Uint8Array;

/** A row of `selected`. Numbers beyond the safe integers are texts, see `readable`. */
export type Row = readonly [
  id: Text,
  userId: Text,
  amount: number,
  priority: string,
  status: string,
  acceptedAt: number,
  startedAt: number | null,
  settledAt: number | null,
  balance: number | null,
  retryable: number | null,
  life: number,
  code: string | null,
  message: Text | null,
  payload: string | null,
  content: string | null,
  labels: string | null,
  steps: string | null,
  cause: string | null,
  decided: string | null,
  postings: string | null,
  results: string | null,
  remembered: string | null,
  settlement: number | null,
  orderedAmount: number | null,
  seq: number,
  notBefore: number | null,
  expiresAt: number | null,
  links: string | null,
];

/** Where these columns stand in a row. */
export const PAYLOAD = 13;
export const SEQ = 24;
export const NOT_BEFORE = 25;

/** The columns that are numbers, but `seq`. */
const numbers = [2, 5, 6, 7, 8, 9, 10, 22, 23, 25, 26] as const;

/** Whether all numbers of a row are safe integers. */
export function isReadable(row: Row): boolean {
  for (const column of numbers) if (typeof row[column] === 'string') return false;
  return true;
}

/**
 * Writes an order as `readOrder` reads it.
 *
 * @param life - how many times the file was opened. The attempt is counted from it and the order's own, so opening
 *   the file writes no order
 * @throws UnreadableOrder
 */
export function writeRow(writer: Writer, row: Row, life: number): void {
  if (!isReadable(row)) throw beyond(textOf(row[0]));
  for (let column = 0; column < 5; column += 1) {
    const value = row[column] as Text | number;
    if (typeof value === 'number') writer.number(value);
    else writer.text(textOf(value));
  }
  for (let column = 5; column < 10; column += 1)
    writer.number((row[column] as number) ?? undefined);
  writer.number(life - row[10] + 1);
  writer.number(row[SEQ]);
  writer.number(row[22] ?? undefined);
  writer.number(row[23] ?? undefined);
  for (let column = 11; column < 22; column += 1) {
    writer.text(textOf(row[column] as Text | null));
  }
  writer.number(row[25] ?? undefined);
  writer.number(row[26] ?? undefined);
  writer.text(row[27]);
}

export function textOf<T extends Text | null>(value: T): Exclude<T, Uint8Array> {
  const text = value instanceof Uint8Array ? Buffer.from(value).toString() : value;
  return text as Exclude<T, Uint8Array>;
}
