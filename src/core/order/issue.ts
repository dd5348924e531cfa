import type { OrderIssue } from './order-error.ts';

/** An error has so many issues at most: a caller may send a payload in which everything is wrong. */
export const mostIssues = 20;

/** In UTF-16 code units. Both may repeat what was sent. */
const longest = 200;

export function issueOf(path: string, message: string): OrderIssue {
  return Object.freeze({ path: beginOf(path), message: beginOf(message) });
}

/** A place, as `items[0].quantity`. */
export function placeOf(path: Iterable<PropertyKey>): string {
  let place = '';
  for (const key of path) {
    if (typeof key === 'number' || /^\d+$/.test(String(key))) place += `[${String(key)}]`;
    else place += `${place === '' ? '' : '.'}${String(key)}`;
    if (place.length > longest) break;
  }
  return place;
}

function beginOf(text: string): string {
  return text.length > longest ? `${text.slice(0, longest).toWellFormed()}…` : text;
}
