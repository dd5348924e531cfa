import { Code, ConnectError } from '@connectrpc/connect';

/** In UTF-16 code units: longer than any field of the contract may be, but the payload. */
const longest = 4_096;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Decodes the JSON of a message. The default decoder replaces what is no UTF-8, so two ids could become one. A text
 * that is too long for any field is refused here: the errors of protobuf repeat it whole.
 */
export const jsonText = {
  decode(bytes: Uint8Array): string {
    const text = utf8.decode(bytes);
    if (text.length > longest && hasLongText(parsed(text))) {
      const message = `Expected texts of at most ${longest} characters outside of the payload`;
      throw new ConnectError(message, Code.InvalidArgument);
    }
    return text;
  },
};

/** `undefined` for what is no JSON, whose error is short. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether a key or a value is too long: of a message and of those in it, which are not deep. */
function hasLongText(value: unknown, depth = 0): boolean {
  if (typeof value === 'string') return value.length > longest;
  if (typeof value !== 'object' || value === null || depth > 3) return false;
  return Object.entries(value).some(
    ([key, field]) => key.length > longest || (key !== 'payload' && hasLongText(field, depth + 1)),
  );
}
