/** Arrays as one text: `pg` would build the same, and more slowly. */

type Plain = number | bigint | boolean | null;

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
export function plainArray(values: readonly Plain[]): string {
  const hasNone = values.includes(null);
  return `{${(hasNone ? values.map((value) => value ?? 'NULL') : values).join(',')}}`;
}

/** One of several arrays that are rows together: as an empty array all of its values are none, and cost nothing. */
export function textColumn(values: readonly (string | null)[]): string {
  return isEmpty(values) ? '{}' : textArray(values);
}

/** The same of numbers and booleans. */
export function plainColumn(values: readonly Plain[]): string {
  return isEmpty(values) ? '{}' : plainArray(values);
}

function isEmpty(values: readonly unknown[]): boolean {
  return values.every((value) => value === null);
}

/** Integers of an array that came as its text. */
export function integersOf(text: string | null): number[] {
  return text === null || text === '{}' ? [] : text.slice(1, -1).split(',').map(Number);
}
