import type { Writer } from './wire.ts';

/** The columns of an order, in the order in which it travels. */
export const columns = `id, user_id, amount, priority, status, accepted_at, started_at, settled_at,
  balance, retryable, life, code, message, payload, content, labels, steps, cause, decided`;

/** The same to be read. */
export const selected = `${readable(columns)}, seq`;

/** Node 22 ends a text at a NUL, so one that has some comes as its bytes. */
export function readable(names: string): string {
  return names.replace(
    /\b(id|user_id|message)\b/g,
    'iif(instr($1, char(0)), CAST($1 AS BLOB), $1) AS $1',
  );
}

/** A text, or its bytes. */
export type Text = string | Uint8Array;

/** A row with what was selected. */
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
  seq: number,
];

/**
 * Writes an order as `readOrder` reads it.
 *
 * @param life - how often the file was opened: with the order's own it makes the attempt, so that no
 *   order is written when the file is opened
 */
export function writeRow(writer: Writer, row: Row, life: number): void {
  for (let column = 0; column < 5; column += 1) {
    const value = row[column] as Text | number;
    if (typeof value === 'number') writer.number(value);
    else writer.text(textOf(value));
  }
  for (let column = 5; column < 10; column += 1)
    writer.number((row[column] as number) ?? undefined);
  writer.number(life - row[10] + 1);
  writer.number(row[19]);
  for (let column = 11; column < 19; column += 1) {
    writer.text(textOf(row[column] as Text | null));
  }
}

export function textOf<T extends Text | null>(value: T): Exclude<T, Uint8Array> {
  const text = value instanceof Uint8Array ? Buffer.from(value).toString() : value;
  return text as Exclude<T, Uint8Array>;
}
