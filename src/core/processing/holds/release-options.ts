import { isName } from '../../order/parse-order.ts';
import { checkOptions, wrong } from '../../runtime/checks.ts';
import type { StoredHold } from '../../storage/holds/hold.ts';

/** What becomes of a failed order that holds its lane. */
export type ReleaseAction = 'retry' | 'skip';

/**
 * What {@link OrderProcessor.release} takes beside the user and the action.
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 *
 * await using processor = new OrderProcessor();
 * processor.on('held', async ({ userId, orderId }) => {
 *   // Only if it is still that order that holds the lane.
 *   if (orderId !== undefined) await processor.release(userId, 'skip', { orderId });
 * });
 * ```
 *
 * @category Lanes
 */
export interface ReleaseOptions {
  /**
   * The failed order that is to be released: if another one or none holds the lane by now, nothing is released. So a
   * release that is sent twice does nothing to the next order. Whatever holds the lane by default.
   */
  readonly orderId?: string | undefined;
}

/** A release as it was asked for. */
export interface Release extends ReleaseOptions {
  readonly action: ReleaseAction | undefined;
  /** The hold that was there when it was asked for, where another processor asks: a later hold is not released. */
  readonly held?: StoredHold | undefined;
  /** Whether an earlier owner has begun it. */
  readonly isBegun?: boolean | undefined;
  /** Notes that it begins. */
  begin?(): Promise<void>;
}

/** @throws TypeError or RangeError */
export function readRelease(action: ReleaseAction | undefined, options: ReleaseOptions): Release {
  if (action !== undefined && action !== 'retry' && action !== 'skip') {
    throw wrong(RangeError, 'action', "'retry' or 'skip'", action);
  }
  checkOptions('release', options, ['orderId']);
  const { orderId } = options;
  if (orderId === undefined || isName(orderId)) return { action, orderId };
  throw wrong(TypeError, 'orderId', 'the id of an order', orderId);
}
