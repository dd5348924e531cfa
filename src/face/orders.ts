import type { OrderProcessor } from '../order-processor.ts';
import type { OrderRecord } from '../outcome.ts';
import {
  type Access,
  type Authenticate,
  checkAccess,
  everything,
  mayActFor,
  unauthorized,
} from './access.ts';
import { HttpError, notFound } from './http-error.ts';

/**
 * What the client of a request may do.
 *
 * @throws HttpError `unauthorized`
 */
export async function accessOf(
  authenticate: Authenticate | undefined,
  request: () => Request,
): Promise<Access> {
  if (authenticate === undefined) return everything;
  const access = await authenticate(request());
  if (access === undefined || access === null) throw unauthorized();
  return checkAccess(access);
}

/** A record as clients see it: the error behind that of the order is the operator's. */
export function withoutCause<T extends OrderRecord>(record: T): Omit<T, 'cause'> {
  const { cause: _cause, ...rest } = record;
  return rest;
}

/**
 * An order of somebody else's is as good as none.
 *
 * @throws HttpError `not_found`
 */
export async function findOrder(
  processor: OrderProcessor,
  access: Access,
  id: string,
): Promise<OrderRecord> {
  const record = await processor.order(id);
  if (record === undefined || !mayActFor(access, record.userId)) {
    throw notFound('There is no such order');
  }
  return record;
}

/**
 * The order, canceled, or to be so when its steps have ended.
 *
 * @throws HttpError `order_settled`
 */
export async function cancelOrder(
  processor: OrderProcessor,
  access: Access,
  id: string,
): Promise<OrderRecord> {
  await findOrder(processor, access, id);
  const isCanceled = await processor.cancelIf(id, (userId) => mayActFor(access, userId));
  const record = await findOrder(processor, access, id);
  if (isCanceled || record.status === 'canceled') return record;
  const message = `An order that is ${record.status} can no longer be canceled`;
  throw new HttpError(409, 'order_settled', message);
}
