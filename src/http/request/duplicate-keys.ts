import { badRequest } from '../../server/http-error.ts';

const quote = 0x22;
const backslash = 0x5c;

/**
 * Refuses JSON in which an object has the same key twice: `JSON.parse` keeps the last value, other parsers the
 * first, so two readers of one body would see two orders.
 *
 * @param text - JSON that has been parsed
 * @param colons - how many colons it has outside of strings, each after a key
 * @param value - what `JSON.parse` made of it
 * @throws HttpError `bad_request`
 */
export function checkKeys(text: string, colons: number, value: unknown): void {
  if (colons <= 1 || countKeys(value as object) === colons) return;
  const key = duplicateIn(text) ?? '';
  throw badRequest(`Expected each key of an object once, got \`${key.slice(0, 60)}\` twice`);
}

function countKeys(value: object): number {
  const isList = Array.isArray(value);
  let count = 0;
  for (const item of isList ? value : Object.values(value)) {
    if (!isList) count += 1;
    if (typeof item === 'object' && item !== null) count += countKeys(item);
  }
  return count;
}

/** The first key that its object has twice. Slow, and only called if there is one. */
function duplicateIn(text: string): string | undefined {
  /** The keys of each object that is open; none for an array. */
  const open: (Set<string> | undefined)[] = [];
  let last = '';
  // Not by a regular expression, which needs a stack for a long string.
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (char === '{') open.push(new Set());
    else if (char === '[') open.push(undefined);
    else if (char === '}' || char === ']') open.pop();
    else if (char === '"') {
      const end = endOfString(text, at);
      last = text.slice(at, end + 1);
      at = end;
    } else if (char === ':') {
      const key = JSON.parse(last) as string;
      const keys = open.at(-1) as Set<string>;
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}

/** Where the string that begins here has its last quote; the text's end if it has none. */
export function endOfString(text: string, begin: number): number {
  let at = begin + 1;
  for (; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    if (char === quote) break;
    if (char === backslash) at += 1;
  }
  return at;
}
