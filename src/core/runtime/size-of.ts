/** The size of a number, a date or another value of a fixed size. */
const fixedSize = 8;

/**
 * About how many bytes of JSON a value makes. It is the host's own, so it may be anything: what cannot be read counts
 * as nothing, and an object that comes again, as in a circle, counts once.
 *
 * @param most - the counting ends there
 */
export function sizeOf(value: unknown, most: number): number {
  if (typeof value !== 'object' || value === null) return sizeOfOne(value, [], most);
  const waiting: unknown[] = [value];
  const seen = new Set<object>();
  let size = 0;
  try {
    while (waiting.length > 0 && size < most) {
      const one = waiting.pop();
      if (typeof one === 'object' && one !== null) {
        if (seen.has(one)) continue;
        seen.add(one);
      }
      size += sizeOfOne(one, waiting, most);
    }
  } catch {
    // A getter or a proxy has thrown.
  }
  return size;
}

/** @param waiting - gets the members of the value */
function sizeOfOne(value: unknown, waiting: unknown[], most: number): number {
  if (typeof value === 'string') return Buffer.byteLength(value) + 2;
  if (typeof value !== 'object' || value === null) return fixedSize;
  if (ArrayBuffer.isView(value)) return value.byteLength * fixedSize;
  // A date, or anything that says itself what it is.
  if ('toJSON' in value) return Buffer.byteLength(JSON.stringify(value) ?? '');
  if (Array.isArray(value)) {
    // Each counts as more than nothing, so that the rest of a long one does not matter.
    for (const member of value.slice(0, most)) waiting.push(member);
    return value.length + 2;
  }
  let size = 2;
  for (const name of Object.keys(value)) {
    size += Buffer.byteLength(name) + 4;
    waiting.push((value as Record<string, unknown>)[name]);
    if (size >= most) break;
  }
  return size;
}

// About what a value takes in the heap of a 64-bit process, in bytes.
export const ofObject = 56;

export const ofProperty = 32;

export const ofElement = 8;

export const ofString = 24;

export const ofNumber = 16;

/** So many values are looked at in any case. */
export const sample = 10_000;

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

export function ofPrimitive(value: unknown): number {
  return typeof value === 'string' ? ofString + Buffer.byteLength(value) : ofNumber;
}

/** @param waiting - gets the members of the value */
export function ofOne(value: object, waiting: unknown[], most: number): number {
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
export function addAll(members: Iterable<unknown>, waiting: unknown[], most: number): number {
  let size = 0;
  for (const member of members) {
    size += ofProperty;
    if (size >= most) break;
    waiting.push(member);
  }
  return size;
}
