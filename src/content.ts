import { isDeepStrictEqual } from 'node:util';
import { OrderError } from './errors.ts';
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
