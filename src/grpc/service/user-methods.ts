import type { ServiceImpl } from '@connectrpc/connect';
import type { OrderProcessor } from '../../core/order-processor.ts';
import { checkMayActFor, checkOperator } from '../../server/access.ts';
import { notFound } from '../../server/http-error.ts';
import { releaseLane } from '../../server/lanes.ts';
import type { OrderService } from '../gen/orderprocessor/v1/orders_pb.js';
import { holdMessage, releasedMessage } from '../messages/hold-messages.ts';
import { holdPageMessage } from '../messages/pages.ts';
import { actionOf, checkName, holdOptionsOf, holdQueryOf } from '../messages/requests.ts';
import type { Calls } from './calls.ts';

type Name = 'getBalance' | 'holdLane' | 'releaseLane' | 'listHolds';

/** Of users: their balances and their lanes. */
export function userMethods(
  processor: OrderProcessor,
  calls: Calls,
): Pick<ServiceImpl<typeof OrderService>, Name> {
  return {
    getBalance: ({ userId }, context) =>
      calls.answer(context, async (access) => {
        checkName('user_id', userId);
        checkMayActFor(access, userId);
        const balance = await processor.balance(userId);
        if (balance === undefined) throw notFound('There is no such user');
        return { balance: BigInt(balance) };
      }),
    holdLane: (request, context) =>
      calls.answer(context, async (access) => {
        checkOperator(access);
        checkName('user_id', request.userId);
        const hold = await processor.hold(request.userId, holdOptionsOf(request));
        return { hold: holdMessage(hold) };
      }),
    releaseLane: (request, context) =>
      calls.answer(context, async (access) => {
        checkOperator(access);
        const { userId } = request;
        checkName('user_id', userId);
        const released = await releaseLane(processor, userId, actionOf(request));
        return { released: releasedMessage(released) };
      }),
    listHolds: (request, context) =>
      calls.answer(context, async (access) => {
        checkOperator(access);
        return await holdPageMessage(processor, holdQueryOf(request));
      }),
  };
}
