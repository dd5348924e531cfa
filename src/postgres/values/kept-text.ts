/**
 * PostgreSQL keeps no U+0000 in a text. It is kept as U+F8FF `0`, and a U+F8FF, which belongs to no script, as U+F8FF
 * `1`: so any text comes back as it was, and equal texts stay equal.
 */
const mark = '\uF8FF';
const special = /[\0\uF8FF]/;

/** As the database keeps it. */
export function toKept(text: string): string {
  if (!special.test(text)) return text;
  return text.replace(/[\0\uF8FF]/g, (char) => (char === mark ? `${mark}1` : `${mark}0`));
}

/** As it was. */
export function fromKept(kept: string): string {
  if (!kept.includes(mark)) return kept;
  return kept.replace(/\uF8FF([01])/g, (_, which) => (which === '1' ? mark : '\0'));
}
