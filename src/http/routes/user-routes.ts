import type { OrderProcessor } from '../../core/order-processor.ts';
import { checkMayActFor, checkOperator } from '../../server/access.ts';
import { notFound } from '../../server/http-error.ts';
import { releaseLane } from '../../server/lanes.ts';
import { json } from '../answers.ts';
import { check, holdInput, holdsQuery, noQuery, releaseQuery } from '../openapi/input-schemas.ts';
import type { AppSettings } from '../options.ts';
import { query } from '../request/request.ts';
import { readStrictly } from '../request/request-body.ts';
import { forOperators, type Route, type RouteRequest, userOf } from './route.ts';

/** Of users: their balances and their lanes. */
export function userRoutes(processor: OrderProcessor, settings: AppSettings): Route[] {
  return [
    ['GET', '/users/:userId/balance', (of) => getBalance(processor, of)],
    ['POST', '/users/:userId/hold', forOperators((of) => postHold(processor, settings, of))],
    ['DELETE', '/users/:userId/hold', (of) => deleteHold(processor, of)],
    ['GET', '/holds', (of) => listHolds(processor, of)],
  ];
}

async function getBalance(
  processor: OrderProcessor,
  { request, access, param }: RouteRequest,
): Promise<Response> {
  query(request, noQuery);
  const userId = param('userId');
  checkMayActFor(access, userId);
  const balance = await processor.balance(userId);
  if (balance === undefined) throw notFound('There is no such user');
  return json({ userId, balance });
}

async function postHold(
  processor: OrderProcessor,
  { bodyLimitBytes, readTimeoutMs }: AppSettings,
  of: RouteRequest,
): Promise<Response> {
  const userId = userOf(of);
  const body = await readStrictly(of.request, bodyLimitBytes, readTimeoutMs);
  return json(await processor.hold(userId, check(holdInput, body, 'bad_request')));
}

async function deleteHold(processor: OrderProcessor, of: RouteRequest): Promise<Response> {
  checkOperator(of.access);
  const { action } = query(of.request, releaseQuery);
  return json(await releaseLane(processor, userOf(of), action));
}

async function listHolds(
  processor: OrderProcessor,
  { request, access }: RouteRequest,
): Promise<Response> {
  checkOperator(access);
  return json(await processor.holds(query(request, holdsQuery)));
}
