import { badRequest } from '../../server/http-error.ts';
import { checkKeys, endOfString } from './duplicate-keys.ts';

/** Refused as a key: merged into another object, its value becomes the prototype of that. */
const prototypeNames = /__proto__|constructor|\\u/;
/** The byte order mark: some editors begin a file with it. */
const byteOrderMark = '\ufeff';
/** No shorter number can lose a digit in a double, unless it is beyond its range. */
const longNumber = /\d[\d.]{15,}|\d[eE]/;

/** How deep a value may be. */
const maxDepth = 200;

const quote = 0x22;
const colon = 0x3a;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/**
 * Parses exactly one JSON value. Refuses what `JSON.parse` would change without an error, or pass on: a number that
 * has more digits than JavaScript can hold, a key that an object has twice, `__proto__` as a key, `constructor`
 * with a `prototype` in it. One byte order mark before it is ignored, as RFC 8259 allows.
 *
 * @throws HttpError `bad_request`
 */
export function parseStrictly(source: string): unknown {
  const text = source.startsWith(byteOrderMark) ? source.slice(1) : source;
  const colons = scan(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw badRequest(`Expected one JSON value: ${(cause as Error).message}`);
  }
  checkKeys(text, colons, value);
  if (longNumber.test(text)) JSON.parse(text, checkNumber);
  if (prototypeNames.test(text)) JSON.parse(text, checkName);
  return value;
}

/**
 * Counts the colons outside of strings. Refuses a value that is nested too deeply: recursive code could overflow on
 * it, and storages that keep JSON refuse it too.
 */
function scan(text: string): number {
  let colons = 0;
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    if (char === quote) at = endOfString(text, at);
    else if (char === colon) colons += 1;
    else if (char === openBracket || char === openBrace) {
      depth += 1;
      if (depth > maxDepth) throw badRequest(`Expected JSON of at most ${maxDepth} levels`);
    } else if (char === closeBracket || char === closeBrace) depth -= 1;
  }
  return colons;
}

function checkNumber(
  _name: string,
  value: unknown,
  context?: { readonly source?: string },
): unknown {
  const source = context?.source;
  if (typeof value === 'number' && source !== undefined && !isSame(source, String(value))) {
    throw badRequest(
      `Expected numbers that JavaScript can hold exactly, got ${source.slice(0, 60)}`,
    );
  }
  return value;
}

function checkName(this: unknown, name: string, value: unknown): unknown {
  const isPrototype =
    name === '__proto__' ||
    (name === 'constructor' &&
      typeof value === 'object' &&
      value !== null &&
      Object.hasOwn(value, 'prototype'));
  if (isPrototype && !Array.isArray(this)) throw badRequest(`The key \`${name}\` is not allowed`);
  return value;
}

/** Whether two decimal numbers are the same, digit by digit. */
function isSame(a: string, b: string): boolean {
  const [x, y] = [decimalOf(a), decimalOf(b)];
  return x.digits === y.digits && (x.digits === '' || x.exponent === y.exponent);
}

/** `digits` without zeros at either end, times ten to the `exponent`. */
export function decimalOf(text: string): { readonly digits: string; readonly exponent: number } {
  const [, whole = '', fraction = '', exponent = '0'] =
    /^[-+]?(\d*)(?:\.(\d*))?(?:[eE]([-+]?\d+))?$/.exec(text) ?? [];
  const all = `${whole}${fraction}`.replace(/^0+/, '');
  const zeros = zerosAtEnd(all);
  return {
    digits: all.slice(0, all.length - zeros),
    exponent: Number(exponent) - fraction.length + zeros,
  };
}

/** Not by a regular expression, which would start again at each of the zeros inside. */
function zerosAtEnd(digits: string): number {
  let end = digits.length;
  while (end > 0 && digits[end - 1] === '0') end -= 1;
  return digits.length - end;
}
