/** What a number, a date or anything else of a fixed size is counted as. */
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

/** @param waiting - gets what is inside of it */
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
