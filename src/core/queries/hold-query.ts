import { isName, nameForm } from '../order/parse-order.ts';
import { checkInteger, checkOptions, wrong } from '../runtime/checks.ts';
import type { Hold, StoredHoldQuery } from '../storage/holds/hold.ts';
import { heldUserOf, holdCursorOf } from './hold-cursor.ts';

/**
 * Which holds {@link OrderProcessor.holds} is to list.
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 *
 * await using processor = new OrderProcessor();
 * const { holds, cursor } = await processor.holds({ limit: 100 });
 * if (cursor !== undefined) await processor.holds({ cursor, limit: holds.length });
 * ```
 *
 * @category Lanes
 */
export interface HoldQuery {
  /** Of this user alone: one hold, or none. */
  readonly userId?: string | undefined;
  /** How many holds a page has at most: an integer from 1 to 1 000, 100 by default. */
  readonly limit?: number | undefined;
  /** The `cursor` of the page before; the first page by default. */
  readonly cursor?: string | undefined;
}

/**
 * One page of a list of holds.
 *
 * @category Lanes
 */
export interface HoldPage {
  /** The holds, in an order of their users that never changes. */
  readonly holds: readonly Hold[];
  /** What gets the next page; `undefined` if there is none. */
  readonly cursor: string | undefined;
}

/** A checked query. */
export type CheckedHoldQuery = StoredHoldQuery & Pick<HoldQuery, 'userId'>;

const mostOnPage = 1_000;

/** @throws TypeError or RangeError */
export function readHoldQuery(query: HoldQuery): CheckedHoldQuery {
  checkOptions('holds', query, ['userId', 'limit', 'cursor']);
  const { userId, limit = 100, cursor } = query;
  if (userId !== undefined && !isName(userId)) throw wrong(TypeError, 'userId', nameForm, userId);
  checkInteger('limit', limit, 1);
  if (limit > mostOnPage) {
    throw wrong(RangeError, 'limit', `an integer from 1 to ${mostOnPage}`, limit);
  }
  return { userId, limit, after: cursor === undefined ? undefined : readCursor(cursor) };
}

/** A page of what a storage gave. */
export function holdPageOf(holds: readonly Hold[], { userId, limit }: CheckedHoldQuery): HoldPage {
  const last = holds.at(-1);
  const hasMore = userId === undefined && last !== undefined && holds.length === limit;
  return { holds, cursor: hasMore ? holdCursorOf(last.userId) : undefined };
}

function readCursor(cursor: unknown): string {
  const userId = typeof cursor === 'string' ? heldUserOf(cursor) : undefined;
  if (userId !== undefined) return userId;
  throw wrong(RangeError, 'cursor', 'the `cursor` of a page', cursor);
}
