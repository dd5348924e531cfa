/** Characters of which UTF-16 and UTF-8 may have another order. */
const special = /[\ud800-\uffff]/;

/** Sorts texts as the database does under `COLLATE "C"`: by the bytes of their UTF-8. */
export function sortByBytes(texts: string[]): string[] {
  return texts.some((text) => special.test(text)) ? texts.sort(compareBytes) : texts.sort();
}

function compareBytes(one: string, other: string): number {
  const length = Math.min(one.length, other.length);
  for (let at = 0; at < length; at += 1) {
    const difference = placeOf(one.charCodeAt(at)) - placeOf(other.charCodeAt(at));
    if (difference !== 0) return difference;
  }
  return one.length - other.length;
}

/** Surrogates, which stand for characters of four bytes, come behind all others. */
function placeOf(unit: number): number {
  if (unit >= 0xe000) return unit - 0x800;
  return unit >= 0xd800 ? unit + 0x2000 : unit;
}
