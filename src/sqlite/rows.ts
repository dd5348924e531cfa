import type { Writer } from './wire.ts';

/** The columns of an order, in the order in which it travels. */
export const columns = `id, user_id, amount, priority, status, accepted_at, started_at, settled_at,
  balance, retryable, life, code, message, payload, content, labels, steps, decided`;

/** A row with these columns. */
export type Row = readonly [
  id: string,
  userId: string,
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
  message: string | null,
  payload: string | null,
  content: string | null,
  labels: string | null,
  steps: string | null,
  decided: string | null,
];

/**
 * Writes an order as `readOrder` reads it.
 *
 * @param life - how often the file was opened: with the order's own it makes the attempt, so that no
 *   order is written when the file is opened
 */
export function writeRow(writer: Writer, row: Row, life: number): void {
  for (let column = 0; column < 5; column += 1) {
    const value = row[column] as string | number;
    if (typeof value === 'number') writer.number(value);
    else writer.text(value);
  }
  for (let column = 5; column < 10; column += 1)
    writer.number((row[column] as number) ?? undefined);
  writer.number(life - row[10] + 1);
  for (let column = 11; column < 18; column += 1) writer.text(row[column] as string | null);
}
