import { issueOf, OrderError, type OrderIssue } from '../order/order-error.ts';
import type { ParsedOrder } from '../order/parse-order.ts';

/** A payload that is deeper than this is refused, so that the copy ends. */
const maxDepth = 200;

/**
 * Copies the payload of an order. It must come back from JSON as it went in, except properties that are `undefined`:
 * steps get the same after a restart. Later changes of the host's payload do not affect the copy.
 *
 * @returns whether code of the host may have run: the payload is an object
 * @throws OrderError `invalid_order` that says where it is more than JSON; `internal` if the schema made it so
 */
export function copyAsJson(order: ParsedOrder): boolean {
  const { payload, content } = order;
  // The caller's payload first: a fault in the other one is the schema's.
  checkJson(order, content);
  if (content !== payload) checkMade(order, payload);
  if (!isObject(payload) && !isObject(content)) return false;
  const copy = copyOf(payload);
  if ('input' in order) order.input = content === payload ? copy : copyOf(content);
  order.payload = copy;
  return true;
}

function checkMade(order: ParsedOrder, payload: unknown): void {
  try {
    checkJson(order, payload);
  } catch (cause) {
    const { id: orderId, userId } = order;
    const message = 'The schema makes a payload that the storage cannot keep';
    throw new OrderError('internal', message, { orderId, userId, cause });
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

function copyOf(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

function checkJson({ id: orderId, userId }: ParsedOrder, value: unknown): void {
  const issue = value === undefined ? undefined : issueIn(value, 'payload', []);
  if (issue === undefined) return;
  const { path, message } = issueOf(issue.path, issue.message);
  throw new OrderError('invalid_order', `The storage keeps only JSON: ${path} is ${message}`, {
    orderId,
    userId,
    issues: [{ path, message }],
  });
}

function issueIn(value: unknown, path: string, above: readonly object[]): OrderIssue | undefined {
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
): OrderIssue | undefined {
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
): OrderIssue | undefined {
  // By index: entries skip holes.
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
): OrderIssue | undefined {
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
