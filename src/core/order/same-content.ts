import { isDeepStrictEqual } from 'node:util';
import { quote } from '../runtime/thrown.ts';
import type { FinalPosting, Posting } from './order.ts';
import { OrderError } from './order-error.ts';
import type { ParsedOrder } from './parse-order.ts';

/** The fields that distinguish a repetition of an order from another order with the same id. */
export interface Content {
  readonly userId: string;
  /** What was ordered; another amount may have been settled. */
  readonly orderedAmount: number;
  readonly content: unknown;
  /** None, where a storage does not give any. What was ordered counts, and not what was settled. */
  readonly postings?: readonly FinalPosting[] | undefined;
  readonly retryOf?: string | undefined;
}

/**
 * Checks that an order has the content of the order that has its id already. Priority is not content: it says when, not
 * what.
 *
 * @param isJson - whether the known one may come from a storage that keeps JSON
 * @throws OrderError `order_conflict`
 */
export function checkSame(known: Content, order: ParsedOrder, isJson: boolean): void {
  const { id: orderId, userId, amount, content, postings, retryOf } = order;
  if (retryOf !== undefined && retryOf !== known.retryOf) {
    const message = `The id ${quote(orderId)}, under which the order would come again, belongs to another order`;
    throw new OrderError('order_conflict', message, { orderId, userId });
  }
  const areSame = known.userId === userId && known.orderedAmount === amount;
  if (areSame && haveSamePostings(known.postings, postings)) {
    if (known.content === content || isSame(known.content, content, isJson)) return;
  }
  const message = `The id ${quote(orderId)} belongs to an order with other content`;
  throw new OrderError('order_conflict', message, { orderId, userId });
}

/** In the same order. */
function haveSamePostings(
  known: readonly FinalPosting[] | undefined,
  postings: readonly Posting[],
): boolean {
  if (known === postings) return true;
  if (known === undefined) return postings.length === 0;
  if (known.length !== postings.length) return false;
  return known.every(({ userId, amount, orderedAmount = amount }, at) => {
    const posting = postings[at];
    return posting?.userId === userId && posting.amount === orderedAmount;
  });
}

function isSame(a: unknown, b: unknown, isJson: boolean): boolean {
  try {
    if (isDeepStrictEqual(a, b)) return true;
    return isJson
      ? isDeepStrictEqual(toPlain(a), toPlain(b))
      : isDeepStrictEqual(withoutUndefined(a, new Map()), withoutUndefined(b, new Map()));
  } catch {
    return false;
  }
}

/** JSON leaves out properties that are `undefined`. */
function toPlain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

/**
 * The same for a payload that is more than JSON: the content of an order does not depend on where it is kept.
 *
 * @param copies - of what is above, so that what is part of itself has an end
 */
function withoutUndefined(value: unknown, copies: Map<object, object>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const known = copies.get(value);
  if (known !== undefined) return known;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null && prototype !== Array.prototype) {
    return value;
  }
  const copy: Record<PropertyKey, unknown> = Array.isArray(value)
    ? (new Array(value.length) as never)
    : Object.create(prototype as object | null);
  copies.set(value, copy);
  for (const key of Reflect.ownKeys(value)) {
    if (!Object.prototype.propertyIsEnumerable.call(value, key)) continue;
    const field = (value as Record<PropertyKey, unknown>)[key];
    // Of an array, a place counts though there is `undefined` in it.
    if (field === undefined && !Array.isArray(value)) continue;
    Object.defineProperty(copy, key, {
      value: withoutUndefined(field, copies),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return copy;
}
