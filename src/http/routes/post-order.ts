import type { Order } from '../../core/order/order.ts';
import type { OrderProcessor } from '../../core/order-processor.ts';
import { checkMayOrder } from '../../server/access.ts';
import { check, noQuery, orderInput } from '../openapi/input-schemas.ts';
import type { AppSettings } from '../options.ts';
import { idempotencyKey, query } from '../request/request.ts';
import { readStrictly } from '../request/request-body.ts';
import { answerFor, withKey } from './answer-order.ts';
import type { ClientRequest } from './route.ts';

/** Answers `POST /orders`: with the record once the order is accepted, or with its outcome if the client waits. */
export async function postOrder(
  processor: OrderProcessor,
  settings: AppSettings,
  of: ClientRequest,
): Promise<Response> {
  const { request, access } = of;
  const { bodyLimitBytes, readTimeoutMs } = settings;
  query(request, noQuery);
  const key = idempotencyKey(request);
  const body = await readStrictly(request, bodyLimitBytes, readTimeoutMs);
  const order = withKey(check(orderInput, body, 'invalid_order'), key) as Order;
  checkMayOrder(access, order);
  return answerFor(processor, settings, of, order);
}
