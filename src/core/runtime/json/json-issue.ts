import { placeIn } from './issues.ts';

/** Deeper than this a value may as well be endless. */
const maxDepth = 200;

/** What JSON does not keep of a value. */
export interface JsonIssue {
  /** Where, as `payload.items[0]`. */
  readonly path: string;
  /** What is there, for people. */
  readonly message: string;
}

/** What is found, with the keys that lead there, the last one first. */
interface Found {
  readonly keys: PropertyKey[];
  readonly message: string;
}

/**
 * The first thing in a value that does not come back from JSON as it went in, but for properties that are `undefined`.
 *
 * @param path - of the value
 */
export function jsonIssueIn(value: unknown, path: string): JsonIssue | undefined {
  const issue = issueIn(value, []);
  if (issue === undefined) return undefined;
  return {
    path: issue.keys.reduceRight((place: string, key) => placeIn(place, key), path),
    message: issue.message,
  };
}

function found(message: string): Found {
  return { keys: [], message };
}

/** The way to an issue, seen from the object above it. */
function under(key: PropertyKey, issue: Found): Found {
  issue.keys.push(key);
  return issue;
}

function issueIn(value: unknown, above: readonly object[]): Found | undefined {
  switch (typeof value) {
    case 'string':
      return value.isWellFormed() ? undefined : found('a string with a lone surrogate');
    case 'boolean':
      return undefined;
    case 'number':
      if (Number.isFinite(value) && !Object.is(value, -0)) return undefined;
      return found(Object.is(value, -0) ? '-0' : `${value}`);
    case 'object':
      return value === null ? undefined : issueInObject(value, above);
    default:
      return found(value === undefined ? 'undefined' : `a ${typeof value}`);
  }
}

function issueInObject(value: object, above: readonly object[]): Found | undefined {
  if (above.includes(value)) return found('part of itself');
  if (above.length === maxDepth) return found(`nested more than ${maxDepth} deep`);
  try {
    const inside = [...above, value];
    const message = oddityOf(value);
    if (message !== undefined) return found(message);
    return Array.isArray(value)
      ? issueInArray(value, inside)
      : issueInProperties(value as Record<string, unknown>, inside);
  } catch {
    return found('an object that throws when it is read');
  }
}

function issueInArray(array: readonly unknown[], inside: readonly object[]): Found | undefined {
  // Not over entries, which pass over holes.
  for (let at = 0; at < array.length; at += 1) {
    const issue = issueIn(array[at], inside);
    if (issue !== undefined) return under(at, issue);
  }
  const isPlain = Object.keys(array).length === array.length;
  return isPlain ? undefined : found('an array with properties of its own');
}

function issueInProperties(
  object: Readonly<Record<string, unknown>>,
  inside: readonly object[],
): Found | undefined {
  for (const [key, value] of Object.entries(object)) {
    // The property would become the prototype, or another one.
    if (key === '__proto__' || !key.isWellFormed()) return under(key, found('no JSON property'));
    const issue = value === undefined ? undefined : issueIn(value, inside);
    if (issue !== undefined) return under(key, issue);
  }
  return undefined;
}

/** What an object is, or has, that JSON does not keep. */
function oddityOf(value: object): string | undefined {
  const prototype: unknown = Object.getPrototypeOf(value);
  const plain = Array.isArray(value) ? Array.prototype : Object.prototype;
  if (prototype !== plain && (prototype !== null || Array.isArray(value))) {
    return `a ${value.constructor?.name || 'class instance'}`;
  }
  if (Object.getOwnPropertySymbols(value).length > 0) return 'an object with a symbol for a key';
  const { toJSON } = value as { toJSON?: unknown };
  return typeof toJSON === 'function' ? 'an object with a `toJSON` of its own' : undefined;
}
