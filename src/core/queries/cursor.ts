/** The cursor of the page behind the order with this sequence. It is opaque to callers. */
export function cursorOf(sequence: number): string {
  return Buffer.from(`before ${sequence}`).toString('base64url');
}

/** `undefined` for a text that is not the cursor of a page. */
export function sequenceOf(cursor: string): number | undefined {
  const text = Buffer.from(cursor, 'base64url').toString();
  const [, digits] = /^before (\d{1,16})$/.exec(text) ?? [];
  const sequence = Number(digits);
  // Decoding ignores unknown characters, so the text is encoded again and compared.
  return Number.isSafeInteger(sequence) && cursorOf(sequence) === cursor ? sequence : undefined;
}

/** Whether a text is the cursor of a page. */
export function isCursor(cursor: string): boolean {
  return sequenceOf(cursor) !== undefined;
}

/** What a cursor into the history goes on with. */
type HistoryKind = 'movements' | 'outcomes';

/**
 * What goes on behind a settlement.
 *
 * @param id - identifies the storage
 */
export function historyCursorOf(kind: HistoryKind, sequence: number, id: string): string {
  return Buffer.from(`${kind} after ${sequence} in ${id}`).toString('base64url');
}

/** `undefined` for a text that is no such cursor of this storage. */
export function settlementOf(kind: HistoryKind, cursor: unknown, id: string): number | undefined {
  if (typeof cursor !== 'string') return undefined;
  const text = Buffer.from(cursor, 'base64url').toString();
  const [, digits] = /^[a-z]+ after (\d{1,16}) in /.exec(text) ?? [];
  const sequence = Number(digits);
  const isOwn = Number.isSafeInteger(sequence) && historyCursorOf(kind, sequence, id) === cursor;
  return isOwn ? sequence : undefined;
}
