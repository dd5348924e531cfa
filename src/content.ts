import { isDeepStrictEqual } from 'node:util';
import { OrderError, type OrderIssue } from './errors.ts';
import type { ParsedOrder } from './order.ts';

/** What tells a repetition of an order from another with the same id. */
export interface Content {
  readonly userId: string;
  readonly amount: number;
  readonly content: unknown;
}

/**
 * Checks that an order is the one that has its id already. Priority is not content: it says when, not
 * what.
 *
 * @param isJson - whether the known one may have been to a storage that keeps JSON
 * @throws OrderError `order_conflict`
 */
export function checkSame(known: Content, order: ParsedOrder, isJson: boolean): void {
  const { id: orderId, userId, amount, content } = order;
  if (known.userId === userId && known.amount === amount) {
    if (known.content === content || isSame(known.content, content, isJson)) return;
  }
  const message = `The id ${JSON.stringify(orderId)} belongs to an order with other content`;
  throw new OrderError('order_conflict', message, { orderId, userId });
}

function isSame(a: unknown, b: unknown, isJson: boolean): boolean {
  try {
    return isDeepStrictEqual(a, b) || (isJson && isDeepStrictEqual(toPlain(a), toPlain(b)));
  } catch {
    return false;
  }
}

/** JSON leaves out properties that are `undefined`. */
function toPlain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

/**
 * Checks that a payload comes back from JSON as it went in, but for properties that are `undefined`:
 * steps must see the same after a restart as before.
 *
 * @throws OrderError `invalid_order` that says where it is more than JSON
 */
export function checkJson({ id: orderId, userId, payload, content }: ParsedOrder): void {
  for (const value of content === payload ? [payload] : [payload, content]) {
    if (value === undefined) continue;
    const issue = issueIn(value, 'payload', []);
    if (issue === undefined) continue;
    const message = `The storage keeps JSON alone: ${issue.path} is ${issue.message}`;
    throw new OrderError('invalid_order', message, { orderId, userId, issues: [issue] });
  }
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

/** Deeper than this it may as well be endless. */
const maxDepth = 200;

function issueInObject(
  value: object,
  path: string,
  above: readonly object[],
): OrderIssue | undefined {
  if (above.includes(value)) return { path, message: 'part of itself' };
  if (above.length === maxDepth) return { path, message: `nested more than ${maxDepth} deep` };
  const inside = [...above, value];
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at += 1) {
      const issue = issueIn(value[at], `${path}[${at}]`, inside);
      if (issue !== undefined) return issue;
    }
    return undefined;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    return { path, message: `a ${value.constructor?.name || 'class instance'}` };
  }
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') {
    return { path, message: 'an object with a `toJSON` of its own' };
  }
  for (const [key, each] of Object.entries(value)) {
    if (key === '__proto__') return { path: `${path}.__proto__`, message: 'no plain property' };
    const issue = each === undefined ? undefined : issueIn(each, `${path}.${key}`, inside);
    if (issue !== undefined) return issue;
  }
  return undefined;
}
