/** Arrays as one text: `pg` would build the same, and more slowly. */

const special = /["\\]/;

/** Any texts; `null` for none. */
export function textArray(values: readonly (string | null)[]): string {
  // One search of all of them is quick: most arrays have ids, which need no escapes.
  const isPlain = values.length > 0 && !values.includes(null) && !special.test(values.join(''));
  return isPlain ? `{"${values.join('","')}"}` : `{${values.map(textElement).join(',')}}`;
}

function textElement(value: string | null): string {
  if (value === null) return 'NULL';
  return special.test(value) ? `"${value.replace(/["\\]/g, '\\$&')}"` : `"${value}"`;
}

/** Numbers and booleans; `null` for none. */
export function plainArray(values: readonly (number | bigint | boolean | null)[]): string {
  return `{${values.map((value) => value ?? 'NULL').join(',')}}`;
}

/** Integers of an array that came as its text. */
export function integersOf(text: string | null): number[] {
  return text === null || text === '{}' ? [] : text.slice(1, -1).split(',').map(Number);
}
