import type { HandlerContext } from '@connectrpc/connect';
import type { Order } from '../../core/order/order.ts';
import { isOrderError, OrderError } from '../../core/order/order-error.ts';
import type { OrderOutcome } from '../../core/order/outcome.ts';
import type { OrderProcessor } from '../../core/order-processor.ts';
import { wentWrong } from '../../core/runtime/thrown.ts';
import { type Access, checkMayOrder, checkMayWrite } from '../../server/access.ts';
import { ClientIds } from '../../server/client-ids.ts';
import { unlessAborted } from '../../server/events/unless-aborted.ts';
import { isNews } from '../../server/failure-reports.ts';
import { HttpError } from '../../server/http-error.ts';
import { draining } from '../../server/listening/server-draining.ts';
import { unreadable } from '../../server/listening/unreadable-body.ts';
import { inTrace, traceContextOf } from '../../server/trace-headers.ts';
import type { SubmitOrdersRequest } from '../gen/orderprocessor/v1/orders_pb.js';
import { outcomeMessage } from '../messages/messages.ts';
import { orderOf } from '../messages/requests.ts';
import type { Calls } from './calls.ts';

/** A stream of orders in, one of outcomes out. */
export async function* submitOrders(
  processor: OrderProcessor,
  calls: Calls,
  requests: AsyncIterable<SubmitOrdersRequest>,
  context: HandlerContext,
): AsyncGenerator<ReturnType<typeof outcomeMessage>> {
  try {
    const access = await calls.access(context);
    checkMayWrite(access);
    const ids = new ClientIds(access);
    const outcomes = processor.submitStream(ordersOf(processor, requests, access, context));
    let index = 0;
    for await (const each of outcomes) {
      const outcome = withOwnError(each);
      if (outcome.status !== 'completed') {
        const { error } = outcome;
        if (error.code === 'internal' && isNews(error)) calls.settings.onError(error);
      }
      yield outcomeMessage(ids.outcome(outcome), index);
      index += 1;
    }
  } catch (error) {
    throw calls.refuse(error, context);
  }
}

/** @throws HttpError `forbidden`, OrderError `invalid_order` */
export function orderFor(access: Access, message: SubmitOrdersRequest['order']): Order {
  const order = orderOf(message);
  checkMayOrder(access, order);
  return order;
}

/** The order as part of the trace that the metadata of the call names, `traceparent` and `tracestate`. */
export function orderIn({ requestHeader }: HandlerContext, order: Order): Order {
  return inTrace(order, traceContextOf(requestHeader));
}

async function* ordersOf(
  processor: OrderProcessor,
  requests: AsyncIterable<SubmitOrdersRequest>,
  access: Access,
  context: HandlerContext,
): AsyncGenerator<Order> {
  const { signal } = draining(processor);
  const iterator = requests[Symbol.asyncIterator]();
  for (;;) {
    // A server that closes reads no more orders, and lets those that it has read end.
    const next = await unlessAborted(iterator.next(), signal);
    if (next === undefined || next.done === true) return;
    yield orderOrError(context, access, next.value.order);
  }
}

function orderOrError(
  context: HandlerContext,
  access: Access,
  message: SubmitOrdersRequest['order'],
): Order {
  try {
    return orderIn(context, new ClientIds(access).order(orderFor(access, message)));
  } catch (error) {
    if (isOrderError(error) || error instanceof HttpError) return unreadable(error);
    return unreadable(new OrderError('internal', wentWrong, { cause: error }));
  }
}

/** Replaces the error of a message that was no order by its cause. */
function withOwnError(outcome: OrderOutcome): OrderOutcome {
  if (outcome.status !== 'refused') return outcome;
  const { cause } = outcome.error;
  if (isOrderError(cause)) return { status: 'refused', error: cause };
  if (!(cause instanceof HttpError)) return outcome;
  const error = new OrderError(cause.code, cause.message, { retryable: false });
  return { status: 'refused', error };
}
