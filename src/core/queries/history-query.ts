import type { OrderRecord } from '../order/outcome.ts';
import type { StepValues } from '../order/step-result.ts';
import { checkInteger, checkOptions, wrong } from '../runtime/checks.ts';
import type { Movement, StoredMovementQuery } from '../storage/history/history-storage.ts';
import { settlementOf } from './cursor.ts';

/**
 * Which movements {@link OrderProcessor.movements} is to give; what is left out does not matter.
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 *
 * await using processor = new OrderProcessor();
 * const page = await processor.movements('ann', { from: Date.now() - 86_400_000, limit: 50 });
 * if (page.cursor !== undefined) await processor.movements('ann', { cursor: page.cursor });
 * ```
 *
 * @category Statements and lists
 */
export interface MovementQuery {
  /** Settled at this time or later, in Unix milliseconds: an integer from 0 up. */
  readonly from?: number | undefined;
  /** Settled before this time, in Unix milliseconds: an integer from 0 up. */
  readonly to?: number | undefined;
  /** How many movements a page has at most: an integer from 1 to 1 000, 100 by default. */
  readonly limit?: number | undefined;
  /** The `cursor` of the page before; the first page by default. */
  readonly cursor?: string | undefined;
}

/**
 * One page of a user's movements.
 *
 * @category Statements and lists
 */
export interface MovementPage {
  /** The movements, in the order applied, the oldest first. */
  readonly movements: readonly Movement[];
  /** What gets the next page; `undefined` if there is none now. Only this says whether there are more. */
  readonly cursor: string | undefined;
}

/**
 * What {@link OrderProcessor.outcomes} takes.
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 *
 * await using processor = new OrderProcessor();
 * const stop = new AbortController();
 * setTimeout(() => stop.abort(), 10);
 * try {
 *   for await (const { cursor } of processor.outcomes({ signal: stop.signal })) console.error(cursor);
 * } catch {
 *   // aborted
 * }
 * ```
 *
 * @category Statements and lists
 */
export interface OutcomesOptions {
  /** The `cursor` of the last outcome that was dealt with; from the first that the storage has by default. */
  readonly after?: string | undefined;
  /** Ends the iteration when it aborts. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * One settled order, as {@link OrderProcessor.outcomes} gives it.
 *
 * @typeParam Payload - the payload's type
 * @typeParam Results - what the steps return, by name
 *
 * @category Statements and lists
 */
export interface SettledOutcome<Payload = unknown, Results = StepValues> {
  /** What goes on behind this one: store it in the transaction that deals with the outcome. */
  readonly cursor: string;
  /** The place of the settlement in the order applied: an integer from 1 up, greater than those before it. */
  readonly sequence: number;
  /** The settled order. */
  readonly order: OrderRecord<Payload, Results>;
}

const mostOnPage = 1_000;

/** @throws TypeError or RangeError */
export function readMovementQuery(
  userId: string,
  query: MovementQuery,
  storageId: string,
): StoredMovementQuery {
  checkOptions('movements', query, ['from', 'to', 'limit', 'cursor']);
  const { from, to: before, limit = 100, cursor } = query;
  if (from !== undefined) checkInteger('from', from, 0);
  if (before !== undefined) checkInteger('to', before, 0);
  checkInteger('limit', limit, 1);
  if (limit > mostOnPage) {
    throw wrong(RangeError, 'limit', `an integer from 1 to ${mostOnPage}`, limit);
  }
  const after = cursor === undefined ? 0 : settlementOf('movements', cursor, storageId);
  if (after === undefined) {
    throw wrong(RangeError, 'cursor', 'the `cursor` of a page of this storage', cursor);
  }
  return { userId, after, from, before, limit };
}

/**
 * Which outcome was the last; `undefined` for none.
 *
 * @throws TypeError or RangeError
 */
export function readAfter(options: OutcomesOptions, storageId: string): number | undefined {
  checkOptions('outcomes', options, ['after', 'signal']);
  const { after, signal } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw wrong(TypeError, 'signal', 'an AbortSignal', signal);
  }
  if (after === undefined) return undefined;
  const sequence = settlementOf('outcomes', after, storageId);
  if (sequence !== undefined) return sequence;
  throw wrong(RangeError, 'after', 'the `cursor` of an outcome of this storage', after);
}
