import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import type { OrderProcessor } from '../../core/order-processor.ts';
import { checkMayActFor, checkOperator, isOperator } from '../../server/access.ts';
import { ClientIds } from '../../server/client-ids.ts';
import { readerOf } from '../../server/events/reader-permits.ts';
import { OutcomeReaders } from '../../server/history.ts';
import type { OrderService, WatchOrdersRequest } from '../gen/orderprocessor/v1/orders_pb.js';
import { settledMessage } from '../messages/history-messages.ts';
import { checkName } from '../messages/requests.ts';
import { statsMessage } from '../messages/stats-message.ts';
import type { Calls } from './calls.ts';
import { EventStream, type WatchMessage } from './event-stream.ts';

/** Of what the processor does. */
export function operatorMethods(
  processor: OrderProcessor,
  calls: Calls,
): Pick<ServiceImpl<typeof OrderService>, 'getStats' | 'watchOrders' | 'watchOutcomes'> {
  const events = new EventStream(processor, calls.settings.events);
  const outcomes = new OutcomeReaders(processor, calls.settings.events);
  return {
    getStats: (_request, context) =>
      calls.answer(context, (access) => {
        checkOperator(access);
        return statsMessage(processor.stats());
      }),
    watchOrders: (request, context) => watchOrders(events, calls, request, context),
    watchOutcomes: ({ after }, context) => watchOutcomes(outcomes, calls, after, context),
  };
}

async function* watchOrders(
  events: EventStream,
  calls: Calls,
  { userId, lastEventId }: Pick<WatchOrdersRequest, 'userId' | 'lastEventId'>,
  context: HandlerContext,
): AsyncGenerator<WatchMessage> {
  try {
    const access = await calls.access(context);
    if (userId === undefined) checkOperator(access);
    else {
      checkName('user_id', userId);
      checkMayActFor(access, userId);
    }
    const isScoped = userId !== undefined && new ClientIds(access).isScoped;
    const reader = readerOf(access, userId);
    const wanted = { userId, lastEventId, isScoped, isOperator: isOperator(access), reader };
    yield* events.watch(wanted, context.signal);
    context.signal.throwIfAborted();
  } catch (error) {
    throw calls.refuse(error, context);
  }
}

async function* watchOutcomes(
  readers: OutcomeReaders,
  calls: Calls,
  after: string | undefined,
  context: HandlerContext,
): AsyncGenerator<ReturnType<typeof settledMessage>> {
  try {
    const access = await calls.access(context);
    const ids = new ClientIds(access);
    const reader = readers.open(access, after, context.signal);
    try {
      for (let next = await reader.next(); next !== undefined; next = await reader.next()) {
        yield settledMessage({ ...next, order: ids.record(next.order) });
      }
    } finally {
      reader.leave();
    }
    context.signal.throwIfAborted();
  } catch (error) {
    throw calls.refuse(error, context);
  }
}
