import { checkInteger, checkOptions, wrong } from './checks.ts';
import { isName, nameForm } from './order.ts';
import type { OrderRecord, OrderStatus } from './outcome.ts';
import type { ListPosition, StoredOrderQuery } from './storage/order-storage.ts';

/** Which orders {@link OrderProcessor.orders} is to list; what is left out does not matter. */
export interface OrderQuery {
  /** Whose. */
  readonly userId?: string | undefined;
  /** With which status. */
  readonly status?: OrderStatus | undefined;
  /** Accepted at this time or later, in Unix milliseconds. */
  readonly acceptedFrom?: number | undefined;
  /** Accepted before this time, in Unix milliseconds. */
  readonly acceptedBefore?: number | undefined;
  /** How many orders a page has at most: an integer from 1 to 1 000, 100 by default. */
  readonly limit?: number | undefined;
  /** The `cursor` of the page before; the first page by default. */
  readonly cursor?: string | undefined;
}

/**
 * One page of a list of orders.
 *
 * @typeParam Payload - the payload's type
 */
export interface OrderPage<Payload = unknown> {
  /** The orders, the one accepted last first. */
  readonly orders: readonly OrderRecord<Payload>[];
  /** What gets the next page; `undefined` if there is none. */
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
  const after = cursor === undefined ? undefined : readCursor(cursor);
  return { userId, status, acceptedFrom, acceptedBefore, limit, after };
}

/**
 * Puts the processor's own orders and those of the storage on one page.
 *
 * @param own - orders in flight, as far as the query wants them, whatever their status
 * @param stored - what the storage has, one more than the page may have if there is more
 */
export function pageOf(
  own: readonly OrderRecord[],
  stored: readonly OrderRecord[],
  { status, limit }: CheckedQuery,
): OrderPage {
  const end = stored.length > limit ? stored[limit - 1] : undefined;
  const byId = new Map<string, OrderRecord>();
  for (const record of own) {
    // The rest comes with what the storage has there.
    if (end === undefined || record.id === end.id || isBefore(record, end)) {
      byId.set(record.id, record);
    }
  }
  for (const record of stored.slice(0, limit)) {
    // Settled while it was read; else the processor knows better how far it is.
    if (record.settledAt !== undefined || !byId.has(record.id)) byId.set(record.id, record);
  }
  const all = [...byId.values()]
    .filter((record) => status === undefined || record.status === status)
    .sort((a, b) => (isBefore(a, b) ? -1 : 1));
  const orders = all.slice(0, limit);
  const last = all.length > limit ? orders.at(-1) : end;
  return { orders, cursor: last && cursorOf(last) };
}

/**
 * Whether an order is on the page that the query asks for, or on a later one, whatever its status: the
 * storage may have another one.
 */
export function isWanted(
  { userId, acceptedFrom = 0, acceptedBefore = Infinity, after }: CheckedQuery,
  order: OrderRecord,
): boolean {
  const { acceptedAt } = order;
  return (
    (userId === undefined || userId === order.userId) &&
    acceptedAt >= acceptedFrom &&
    acceptedAt < acceptedBefore &&
    (after === undefined || isBefore(after, order))
  );
}

function isBefore(a: ListPosition, b: ListPosition): boolean {
  return a.acceptedAt === b.acceptedAt ? a.id > b.id : a.acceptedAt > b.acceptedAt;
}

function cursorOf({ acceptedAt, id }: ListPosition): string {
  return Buffer.from(`${acceptedAt} ${id}`).toString('base64url');
}

function readCursor(cursor: unknown): ListPosition {
  const text = typeof cursor === 'string' ? Buffer.from(cursor, 'base64url').toString() : '';
  const [, acceptedAt, id] = /^(\d{1,16}) (.+)$/s.exec(text) ?? [];
  if (id === undefined) throw wrong(RangeError, 'cursor', 'the `cursor` of a page', cursor);
  return { acceptedAt: Number(acceptedAt), id };
}
