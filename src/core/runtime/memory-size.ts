// About what a value takes in the heap of a 64-bit process, in bytes.
const ofObject = 56;
const ofProperty = 32;
const ofElement = 8;
const ofString = 24;
const ofNumber = 16;

/** So many values are looked at in any case. */
const sample = 10_000;

/**
 * About how many bytes a value keeps in memory, which may be many times its JSON: `[{},{}]` is little text and large
 * objects. It is the host's own, so it may be anything: what cannot be read counts as nothing, and what is part of
 * itself has an end. Of a value that is wide, a part stands for the whole.
 *
 * @param most - the counting ends there
 */
export function memoryOf(value: unknown, most: number): number {
  if (value === undefined) return 0;
  if (typeof value !== 'object' || value === null) return ofPrimitive(value);
  const waiting: unknown[] = [value];
  /** Only from where circles may matter on. */
  let seen: Set<object> | undefined;
  let size = 0;
  try {
    for (let count = 1; waiting.length > 0 && size < most; count += 1) {
      const next = waiting.pop();
      if (typeof next !== 'object' || next === null) size += ofPrimitive(next);
      else if (seen === undefined || !seen.has(next)) {
        seen?.add(next);
        size += ofOne(next, waiting, most);
      }
      if (count < sample) continue;
      if (waiting.length > count) return size * (1 + waiting.length / count);
      seen ??= new Set();
    }
  } catch {
    // A getter or a proxy has thrown.
  }
  return size;
}

function ofPrimitive(value: unknown): number {
  return typeof value === 'string' ? ofString + Buffer.byteLength(value) : ofNumber;
}

/** @param waiting - gets what is inside of it */
function ofOne(value: object, waiting: unknown[], most: number): number {
  if (ArrayBuffer.isView(value)) return ofObject + value.buffer.byteLength;
  if (value instanceof ArrayBuffer) return ofObject + value.byteLength;
  if (value instanceof Map || value instanceof Set) {
    const members = value instanceof Map ? value.entries() : value.values();
    return ofObject + addAll(members, waiting, most);
  }
  if (Array.isArray(value)) {
    // Each counts as something: so the rest of a list that is too long does not matter.
    const length = Math.min(value.length, most);
    for (let at = 0; at < length; at += 1) waiting.push(value[at]);
    return ofObject + ofElement * value.length;
  }
  let size = ofObject;
  for (const name of Object.keys(value)) {
    size += ofProperty + name.length;
    if (size >= most) break;
    waiting.push((value as Record<string, unknown>)[name]);
  }
  return size;
}

/** The members themselves, of which each counts as something. */
function addAll(members: Iterable<unknown>, waiting: unknown[], most: number): number {
  let size = 0;
  for (const member of members) {
    size += ofProperty;
    if (size >= most) break;
    waiting.push(member);
  }
  return size;
}
