/** The cursor of the page behind the hold of this user. It is opaque to callers. */
export function holdCursorOf(userId: string): string {
  return Buffer.from(`held ${userId}`).toString('base64url');
}

/** `undefined` for a text that is not the cursor of a page of holds. */
export function heldUserOf(cursor: string): string | undefined {
  const text = Buffer.from(cursor, 'base64url').toString();
  const userId = text.startsWith('held ') ? text.slice('held '.length) : '';
  // Decoding ignores unknown characters, so the text is encoded again and compared.
  return userId !== '' && holdCursorOf(userId) === cursor ? userId : undefined;
}

/** Whether a text is the cursor of a page of holds. */
export function isHoldCursor(cursor: string): boolean {
  return heldUserOf(cursor) !== undefined;
}
