/** Deeper than this a value may as well be endless. */
const maxDepth = 200;

/** What JSON does not keep of a value. */
export interface JsonIssue {
  /** Where, as `payload.items[0]`. */
  readonly path: string;
  /** What is there, for people. */
  readonly message: string;
}

/**
 * The first thing in a value that does not come back from JSON as it went in, but for properties that are `undefined`.
 *
 * @param path - of the value
 */
export function jsonIssueIn(value: unknown, path: string): JsonIssue | undefined {
  return issueIn(value, path, []);
}

function issueIn(value: unknown, path: string, above: readonly object[]): JsonIssue | undefined {
  switch (typeof value) {
    case 'string':
      return value.isWellFormed() ? undefined : { path, message: 'a string with a lone surrogate' };
    case 'boolean':
      return undefined;
    case 'number':
      if (Number.isFinite(value) && !Object.is(value, -0)) return undefined;
      return { path, message: Object.is(value, -0) ? '-0' : `${value}` };
    case 'object':
      return value === null ? undefined : issueInObject(value, path, above);
    default:
      return { path, message: value === undefined ? 'undefined' : `a ${typeof value}` };
  }
}

function issueInObject(
  value: object,
  path: string,
  above: readonly object[],
): JsonIssue | undefined {
  if (above.includes(value)) return { path, message: 'part of itself' };
  if (above.length === maxDepth) return { path, message: `nested more than ${maxDepth} deep` };
  try {
    const inside = [...above, value];
    const message = oddityOf(value);
    if (message !== undefined) return { path, message };
    return Array.isArray(value)
      ? issueInArray(value, path, inside)
      : issueInProperties(value as Record<string, unknown>, path, inside);
  } catch {
    return { path, message: 'an object that throws when it is read' };
  }
}

function issueInArray(
  array: readonly unknown[],
  path: string,
  inside: readonly object[],
): JsonIssue | undefined {
  // Not over entries, which pass over holes.
  for (let at = 0; at < array.length; at += 1) {
    const issue = issueIn(array[at], `${path}[${at}]`, inside);
    if (issue !== undefined) return issue;
  }
  const isPlain = Object.keys(array).length === array.length;
  return isPlain ? undefined : { path, message: 'an array with properties of its own' };
}

function issueInProperties(
  object: Readonly<Record<string, unknown>>,
  path: string,
  inside: readonly object[],
): JsonIssue | undefined {
  for (const [key, value] of Object.entries(object)) {
    const at = `${path}.${key}`;
    // The property would become the prototype, or another one.
    if (key === '__proto__' || !key.isWellFormed())
      return { path: at, message: 'no JSON property' };
    const issue = value === undefined ? undefined : issueIn(value, at, inside);
    if (issue !== undefined) return issue;
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
