/** What is said of the things that are wrong with a value: where, and what. */

/** How many issues an error has at most: a caller may send a payload in which everything is wrong. */
export const mostIssues = 20;

/** In UTF-16 code units, of a place and of a message. Both may repeat what was sent. */
const longest = 200;

export function issueOf(
  path: string,
  message: string,
): { readonly path: string; readonly message: string } {
  return Object.freeze({ path: beginOf(path), message: beginOf(message) });
}

function beginOf(text: string): string {
  return text.length > longest ? `${text.slice(0, longest).toWellFormed()}…` : text;
}

/**
 * The place to which keys lead, or its beginning; see {@link placeIn}.
 *
 * @param from - where they begin; empty for the root
 */
export function placeOf(keys: Iterable<PropertyKey>, from = ''): string {
  let place = from;
  for (const key of keys) {
    place = placeIn(place, key);
    if (place.length > longest) break;
  }
  return place;
}

/** RFC 9535, `member-name-shorthand`. */
const shortName =
  /^[A-Za-z_\u{80}-\u{d7ff}\u{e000}-\u{10ffff}][\w\u{80}-\u{d7ff}\u{e000}-\u{10ffff}]*$/u;

/**
 * The place of a property or an element in the value of a place, as `items[0].quantity`. It is a JSONPath (RFC 9535)
 * without `$.`: any other name than a plain one stands in brackets and quotes, as `items["0"]["a.b"]`, so no two places
 * are written alike.
 *
 * @param place - of the value; empty for the root
 * @param key - a number is an index, anything else a name
 */
export function placeIn(place: string, key: PropertyKey): string {
  if (typeof key === 'number') return `${place}[${key}]`;
  const name = String(key);
  if (!shortName.test(name)) return `${place}[${JSON.stringify(name)}]`;
  return place === '' ? name : `${place}.${name}`;
}
