import type { ServiceImpl } from '@connectrpc/connect';
import type { OrderProcessor } from '../../core/order-processor.ts';
import { checkMayActFor } from '../../server/access.ts';
import { cancelOrder, compensateOrder, findOrder, retryOrder } from '../../server/order-access.ts';
import { inTrace, traceContextOf } from '../../server/trace-headers.ts';
import type { OrderService } from '../gen/orderprocessor/v1/orders_pb.js';
import { receiptMessage, recordMessage } from '../messages/messages.ts';
import { pageMessage } from '../messages/pages.ts';
import { checkName, queryOf } from '../messages/requests.ts';
import type { Calls } from './calls.ts';
import { orderFor, orderIn, submitOrders } from './submit-orders.ts';

type Name =
  | 'submitOrder'
  | 'enqueueOrder'
  | 'submitOrders'
  | 'getOrder'
  | 'listOrders'
  | 'cancelOrder'
  | 'retryOrder'
  | 'compensateOrder';

/** Of orders. */
export function orderMethods(
  processor: OrderProcessor,
  calls: Calls,
): Pick<ServiceImpl<typeof OrderService>, Name> {
  return {
    submitOrder: (request, context) =>
      calls.answer(context, async (access, ids) => {
        const order = orderIn(context, ids.order(orderFor(access, request.order)));
        const receipt = await processor.submit(order, { signal: context.signal });
        return { receipt: receiptMessage(ids.receipt(receipt)) };
      }),
    enqueueOrder: (request, context) =>
      calls.answer(context, async (access, ids) => {
        const order = orderIn(context, ids.order(orderFor(access, request.order)));
        const record = await processor.enqueue(order, { signal: context.signal });
        return { record: recordMessage(ids.record(record)) };
      }),
    submitOrders: (requests, context) => submitOrders(processor, calls, requests, context),
    getOrder: (wanted, context) =>
      calls.answer(context, async (_, ids) => {
        checkNames(wanted);
        return { record: recordMessage(ids.record(await findOrder(processor, ids, wanted))) };
      }),
    listOrders: (request, context) =>
      calls.answer(context, async (access, ids) => {
        const query = queryOf(request);
        checkMayActFor(access, query.userId);
        return await pageMessage(processor, query, ids);
      }),
    cancelOrder: (wanted, context) =>
      calls.answer(context, async (access, ids) => {
        checkNames(wanted);
        const record = await cancelOrder(processor, access, ids, wanted);
        return { record: recordMessage(ids.record(record)) };
      }),
    compensateOrder: (wanted, context) =>
      calls.answer(context, async (access, ids) => {
        checkNames(wanted);
        const record = await compensateOrder(processor, access, ids, wanted);
        return { record: recordMessage(ids.record(record)) };
      }),
    retryOrder: (wanted, context) =>
      calls.answer(context, async (access, ids) => {
        checkNames(wanted);
        const options = inTrace({ signal: context.signal }, traceContextOf(context.requestHeader));
        const record = await retryOrder(processor, access, ids, wanted, options);
        return { record: recordMessage(ids.record(record)) };
      }),
  };
}

function checkNames({ id, userId }: { id: string; userId?: string | undefined }): void {
  checkName('id', id);
  if (userId !== undefined) checkName('user_id', userId);
}
