import type { OrderRecord } from '../../core/order/outcome.ts';
import type { OrderProcessor } from '../../core/order-processor.ts';
import { checkMayActFor } from '../../server/access.ts';
import type { ClientIds } from '../../server/client-ids.ts';
import {
  cancelOrder,
  compensateOrder,
  findOrder,
  retryOrder,
  withoutCause,
} from '../../server/order-access.ts';
import { inTrace, traceContextOf } from '../../server/trace-headers.ts';
import { json } from '../answers.ts';
import { listQuery, orderQuery } from '../openapi/input-schemas.ts';
import type { AppSettings } from '../options.ts';
import { query } from '../request/request.ts';
import { acceptInTime, pathOf } from './accepting.ts';
import { postOrder } from './post-order.ts';
import type { Route, RouteRequest } from './route.ts';

/** Of orders, but for batches. */
export function orderRoutes(processor: OrderProcessor, settings: AppSettings): Route[] {
  return [
    ['POST', '/orders', (of) => postOrder(processor, settings, of)],
    ['GET', '/orders', (of) => listOrders(processor, of)],
    ['GET', '/orders/:id', (of) => getOrder(processor, of)],
    ['DELETE', '/orders/:id', (of) => deleteOrder(processor, of)],
    ['POST', '/orders/:id/compensate', (of) => postCompensate(processor, of)],
    ['POST', '/orders/:id/retry', (of) => postRetry(processor, settings, of)],
  ];
}

async function listOrders(
  processor: OrderProcessor,
  { request, access, ids }: RouteRequest,
): Promise<Response> {
  const wanted = query(request, listQuery);
  checkMayActFor(access, wanted.userId);
  const { orders, cursor } = await processor.orders(wanted);
  return json({ orders: orders.map((record) => shown(record, ids)), cursor });
}

async function getOrder(
  processor: OrderProcessor,
  { request, ids, param }: RouteRequest,
): Promise<Response> {
  const { userId } = query(request, orderQuery);
  return json(shown(await findOrder(processor, ids, { id: param('id'), userId }), ids));
}

async function deleteOrder(
  processor: OrderProcessor,
  { request, access, ids, param }: RouteRequest,
): Promise<Response> {
  const { userId } = query(request, orderQuery);
  const record = await cancelOrder(processor, access, ids, { id: param('id'), userId });
  return json(shown(record, ids), record.status === 'canceled' ? 200 : 202);
}

async function postRetry(
  processor: OrderProcessor,
  settings: AppSettings,
  { request, access, ids, param }: RouteRequest,
): Promise<Response> {
  const { userId } = query(request, orderQuery);
  const wanted = { id: param('id'), userId };
  const record = await acceptInTime(settings, request, { orderId: wanted.id, userId }, (signal) =>
    retryOrder(
      processor,
      access,
      ids,
      wanted,
      inTrace({ signal }, traceContextOf(request.headers)),
    ),
  );
  return json(shown(record, ids), 202, { location: `../../${pathOf(record, ids)}` });
}

async function postCompensate(
  processor: OrderProcessor,
  { request, access, ids, param }: RouteRequest,
): Promise<Response> {
  const { userId } = query(request, orderQuery);
  return json(
    shown(await compensateOrder(processor, access, ids, { id: param('id'), userId }), ids),
  );
}

function shown(record: OrderRecord, ids: ClientIds): object {
  return ids.record(withoutCause(record));
}
