import type { OrderProcessor } from '../../core/order-processor.ts';
import {
  checkMayActFor,
  checkMayOperate,
  checkMayWrite,
  checkOperator,
} from '../../server/access.ts';
import { balanceOf, movementsOf } from '../../server/history.ts';
import { releaseLane } from '../../server/lanes.ts';
import { json } from '../answers.ts';
import {
  balanceQuery,
  check,
  holdInput,
  holdsQuery,
  movementsQuery,
  releaseQuery,
} from '../openapi/input-schemas.ts';
import type { AppSettings } from '../options.ts';
import { query } from '../request/request.ts';
import { readStrictly } from '../request/request-body.ts';
import { forOperators, type Route, type RouteRequest, userOf } from './route.ts';

/** Of users: their balances, statements and lanes. */
export function userRoutes(processor: OrderProcessor, settings: AppSettings): Route[] {
  return [
    ['GET', '/users/:userId/balance', (of) => getBalance(processor, of)],
    ['GET', '/users/:userId/movements', (of) => listMovements(processor, of)],
    ['POST', '/users/:userId/hold', forOperators((of) => postHold(processor, settings, of))],
    ['DELETE', '/users/:userId/hold', (of) => deleteHold(processor, of)],
    ['GET', '/holds', (of) => listHolds(processor, of)],
  ];
}

async function getBalance(
  processor: OrderProcessor,
  { request, access, param }: RouteRequest,
): Promise<Response> {
  const { at } = query(request, balanceQuery);
  const userId = param('userId');
  checkMayActFor(access, userId);
  return json({ userId, balance: await balanceOf(processor, userId, at) });
}

async function listMovements(
  processor: OrderProcessor,
  { request, access, ids, param }: RouteRequest,
): Promise<Response> {
  const wanted = query(request, movementsQuery);
  const userId = param('userId');
  checkMayActFor(access, userId);
  return json(await movementsOf(processor, ids, userId, wanted));
}

async function postHold(
  processor: OrderProcessor,
  { bodyLimitBytes, readTimeoutMs }: AppSettings,
  of: RouteRequest,
): Promise<Response> {
  checkMayWrite(of.access);
  const userId = userOf(of);
  const body = await readStrictly(of.request, bodyLimitBytes, readTimeoutMs);
  return json(await processor.hold(userId, check(holdInput, body, 'bad_request')));
}

async function deleteHold(processor: OrderProcessor, of: RouteRequest): Promise<Response> {
  checkMayOperate(of.access);
  const { action, orderId } = query(of.request, releaseQuery);
  return json(await releaseLane(processor, userOf(of), { action, orderId }));
}

async function listHolds(
  processor: OrderProcessor,
  { request, access }: RouteRequest,
): Promise<Response> {
  checkOperator(access);
  return json(await processor.holds(query(request, holdsQuery)));
}
