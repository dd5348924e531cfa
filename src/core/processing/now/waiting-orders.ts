import type { Job } from '../../lifecycle/job.ts';
import type { OrderRecord } from '../../order/outcome.ts';
import { isName, nameForm } from '../../order/parse-order.ts';
import type { KeyedQueue } from '../../queue/keyed-queue.ts';
import { checkInteger, checkOptions, wrong } from '../../runtime/checks.ts';
import type { Clock } from '../../runtime/clock.ts';

/**
 * What {@link OrderProcessor.waiting} takes beside the user.
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 *
 * await using processor = new OrderProcessor();
 * const [next] = processor.waiting('ann', { limit: 1 });
 * console.log(next); // prints: undefined
 * ```
 *
 * @category Lanes
 */
export interface WaitingOptions {
  /** How many at most: an integer from 1 up, 100 by default. */
  readonly limit?: number | undefined;
}

/**
 * The orders that wait in a user's lane, the next one first.
 *
 * @throws TypeError or RangeError
 */
export function waitingOrders(
  queue: KeyedQueue<Job>,
  clock: Clock,
  userId: string,
  options: WaitingOptions,
): OrderRecord[] {
  if (!isName(userId)) throw wrong(TypeError, 'userId', nameForm, userId);
  checkOptions('waiting', options, ['limit']);
  const { limit = 100 } = options;
  checkInteger('limit', limit, 1);
  return queue.first(userId, limit).map((job) => job.toRecord(clock));
}
