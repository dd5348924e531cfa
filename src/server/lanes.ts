import type { OrderProcessor } from '../core/order-processor.ts';
import type { Release } from '../core/processing/holds/release-options.ts';
import type { ReleasedLane } from '../core/storage/holds/hold.ts';
import { badRequest } from './http-error.ts';

/**
 * Releases a lane.
 *
 * @throws HttpError `bad_request` for an action that is missing where a failed order holds the lane, or has no order
 */
export async function releaseLane(
  processor: OrderProcessor,
  userId: string,
  { action, orderId }: Release,
): Promise<ReleasedLane> {
  try {
    return await processor.release(userId, action, { orderId });
  } catch (error) {
    throw error instanceof TypeError ? badRequest(error.message) : error;
  }
}
