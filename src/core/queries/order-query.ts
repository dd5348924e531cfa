import type { OrderRecord, OrderStatus } from '../order/outcome.ts';
import { isName, nameForm } from '../order/parse-order.ts';
import type { StepValues } from '../order/step-result.ts';
import { checkInteger, checkOptions, wrong } from '../runtime/checks.ts';
import type { StoredOrderQuery } from '../storage/lists/stored-order-page.ts';
import { sequenceOf } from './cursor.ts';

/**
 * Which orders {@link OrderProcessor.orders} lists; a filter that is left out does not apply.
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 *
 * await using processor = new OrderProcessor();
 * const { orders, cursor } = await processor.orders({ userId: 'ann', status: 'failed', limit: 50 });
 * if (cursor !== undefined) await processor.orders({ userId: 'ann', status: 'failed', cursor, limit: orders.length });
 * ```
 *
 * @category Statements and lists
 */
export interface OrderQuery {
  /** Whose. */
  readonly userId?: string | undefined;
  /** With which status. */
  readonly status?: OrderStatus | undefined;
  /** Accepted at this time or later, in Unix milliseconds. */
  readonly acceptedFrom?: number | undefined;
  /** Accepted before this time, in Unix milliseconds. */
  readonly acceptedBefore?: number | undefined;
  /**
   * How many orders a page has at most: an integer from 1 to 1 000, 100 by default. It may have fewer even if there are
   * more.
   */
  readonly limit?: number | undefined;
  /** The `cursor` of the page before; the first page by default. */
  readonly cursor?: string | undefined;
}

/**
 * One page of a list of orders.
 *
 * @typeParam Payload - the payload's type
 * @typeParam Results - what the steps return, by name
 *
 * @category Statements and lists
 */
export interface OrderPage<Payload = unknown, Results = StepValues> {
  /** The orders, the one accepted last first. */
  readonly orders: readonly OrderRecord<Payload, Results>[];
  /** The cursor of the next page; `undefined` if there is none. Only this says whether there are more orders. */
  readonly cursor: string | undefined;
}

/** A checked query. */
export type CheckedQuery = Omit<StoredOrderQuery, 'status'> & Pick<OrderQuery, 'status'>;

const names = ['userId', 'status', 'acceptedFrom', 'acceptedBefore', 'limit', 'cursor'];
const statuses: readonly unknown[] = ['pending', 'processing', 'completed', 'failed', 'canceled'];
const mostOnPage = 1_000;

/** @throws TypeError or RangeError */
export function readQuery(query: OrderQuery): CheckedQuery {
  checkOptions('orders', query, names);
  const { userId, status, acceptedFrom, acceptedBefore, limit = 100, cursor } = query;
  if (userId !== undefined && !isName(userId)) throw wrong(TypeError, 'userId', nameForm, userId);
  if (status !== undefined && !statuses.includes(status)) {
    throw wrong(RangeError, 'status', `one of ${statuses.join(', ')}`, status);
  }
  if (acceptedFrom !== undefined) checkInteger('acceptedFrom', acceptedFrom, 0);
  if (acceptedBefore !== undefined) checkInteger('acceptedBefore', acceptedBefore, 0);
  checkInteger('limit', limit, 1);
  if (limit > mostOnPage) {
    throw wrong(RangeError, 'limit', `an integer from 1 to ${mostOnPage}`, limit);
  }
  const before = cursor === undefined ? undefined : readCursor(cursor);
  return { userId, status, acceptedFrom, acceptedBefore, limit, before };
}

function readCursor(cursor: unknown): number {
  const sequence = typeof cursor === 'string' ? sequenceOf(cursor) : undefined;
  if (sequence === undefined) throw wrong(RangeError, 'cursor', 'the `cursor` of a page', cursor);
  return sequence;
}
