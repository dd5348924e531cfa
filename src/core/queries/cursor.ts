/** What gets the page behind the order of this sequence. Callers see a text that says nothing. */
export function cursorOf(sequence: number): string {
  return Buffer.from(`before ${sequence}`).toString('base64url');
}

/** `undefined` for a text that is not the cursor of a page. */
export function sequenceOf(cursor: string): number | undefined {
  const text = Buffer.from(cursor, 'base64url').toString();
  const [, digits] = /^before (\d{1,16})$/.exec(text) ?? [];
  const sequence = Number(digits);
  // Decoding passes over what it does not know.
  return Number.isSafeInteger(sequence) && cursorOf(sequence) === cursor ? sequence : undefined;
}

/** Whether a text is the cursor of a page. */
export function isCursor(cursor: string): boolean {
  return sequenceOf(cursor) !== undefined;
}
