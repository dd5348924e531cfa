import type { ServiceImpl } from '@connectrpc/connect';
import type { OrderProcessor } from '../../core/order-processor.ts';
import { checkMayActFor, checkMayOperate, checkOperator } from '../../server/access.ts';
import { balanceOf, movementsOf } from '../../server/history.ts';
import { releaseLane } from '../../server/lanes.ts';
import type { OrderService } from '../gen/orderprocessor/v1/orders_pb.js';
import { movementsMessage } from '../messages/history-messages.ts';
import { holdMessage, releasedMessage } from '../messages/hold-messages.ts';
import { holdPageMessage } from '../messages/pages.ts';
import {
  balanceTimeOf,
  checkName,
  holdOptionsOf,
  holdQueryOf,
  movementQueryOf,
  releaseOf,
} from '../messages/requests.ts';
import type { Calls } from './calls.ts';

type Name = 'getBalance' | 'listMovements' | 'holdLane' | 'releaseLane' | 'listHolds';

/** Of users: their balances, statements and lanes. */
export function userMethods(
  processor: OrderProcessor,
  calls: Calls,
): Pick<ServiceImpl<typeof OrderService>, Name> {
  return {
    getBalance: (request, context) =>
      calls.answer(context, async (access) => {
        const { userId } = request;
        checkName('user_id', userId);
        checkMayActFor(access, userId);
        const balance = await balanceOf(processor, userId, balanceTimeOf(request));
        return { balance: BigInt(balance) };
      }),
    listMovements: (request, context) =>
      calls.answer(context, async (access, ids) => {
        const { userId } = request;
        checkName('user_id', userId);
        checkMayActFor(access, userId);
        const query = movementQueryOf(request);
        return movementsMessage(await movementsOf(processor, ids, userId, query));
      }),
    holdLane: (request, context) =>
      calls.answer(context, async (access) => {
        checkMayOperate(access);
        checkName('user_id', request.userId);
        const hold = await processor.hold(request.userId, holdOptionsOf(request));
        return { hold: holdMessage(hold) };
      }),
    releaseLane: (request, context) =>
      calls.answer(context, async (access) => {
        checkMayOperate(access);
        const { userId } = request;
        checkName('user_id', userId);
        const released = await releaseLane(processor, userId, releaseOf(request));
        return { released: releasedMessage(released) };
      }),
    listHolds: (request, context) =>
      calls.answer(context, async (access) => {
        checkOperator(access);
        return await holdPageMessage(processor, holdQueryOf(request));
      }),
  };
}
