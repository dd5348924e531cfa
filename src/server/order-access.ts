import type { RetryOrderOptions } from '../core/admission/caller-options.ts';
import type { OrderRecord } from '../core/order/outcome.ts';
import type { OrderProcessor } from '../core/order-processor.ts';
import {
  type Access,
  type Authenticate,
  checkAccess,
  checkMayActFor,
  checkMayOperate,
  checkMayOrder,
  checkMayWrite,
  checkOperator,
  everything,
  unauthorized,
} from './access.ts';
import type { ClientIds } from './client-ids.ts';
import { badRequest, HttpError, notFound } from './http-error.ts';

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

/** A record as clients see it: without the error behind the order's, which is for operators. */
export function withoutCause<T extends OrderRecord>(record: T): Omit<T, 'cause'> {
  const { cause: _cause, ...rest } = record;
  return rest;
}

/** An order by the id that a client has for it. */
export interface Wanted {
  readonly id: string;
  /** The order's user; by default the only user of the client. */
  readonly userId?: string | undefined;
}

/**
 * Returns an order as the storage has it. An order of another user counts as none, but for an operator: it reads any
 * order. Whether it may do more to that order is for the caller to check.
 *
 * @throws HttpError `not_found`, or `forbidden` for a user that is not the client's
 */
export async function findOrder(
  processor: OrderProcessor,
  ids: ClientIds,
  { id, userId }: Wanted,
): Promise<OrderRecord> {
  for (const storedId of ids.candidates(id, userId)) {
    const record = await processor.order(storedId);
    if (record !== undefined && ids.maySee(record.userId, userId)) return record;
  }
  throw notFound('There is no such order');
}

/** To cancel it would release the lane. */
export const laneOfFailed =
  "The failed order holds its user's lane: ask an operator to release the lane with `retry` or `skip`";

/**
 * Cancels an order. Returns its record: canceled, or about to be when its steps have ended. An order that holds its lane
 * is canceled for operators alone.
 *
 * @throws HttpError `not_found`, `forbidden`, `order_settled`
 */
export async function cancelOrder(
  processor: OrderProcessor,
  access: Access,
  ids: ClientIds,
  wanted: Wanted,
): Promise<OrderRecord> {
  const { id, userId } = await findOrder(processor, ids, wanted);
  checkMayActFor(access, userId);
  checkMayWrite(access);
  const isCanceled = await processor.cancelIf(id, (of, holdsLane) => {
    if (of === userId && holdsLane) checkOperator(access, laneOfFailed);
    return of === userId;
  });
  const record = await processor.order(id);
  // A storage that forgets may have lost it meanwhile, and the id may be another order's by now.
  if (record?.userId !== userId) throw notFound('There is no such order');
  if (isCanceled || record.status === 'canceled') return record;
  const message = `An order that is ${record.status} can no longer be canceled`;
  throw new HttpError(409, 'order_settled', message);
}

/**
 * Hands in an order once more that failed or was canceled, for a client that might hand it in itself.
 *
 * @param options - what ends the waiting for the acceptance of the new order, and the trace of the request
 * @returns the record of the new order
 * @throws HttpError `not_found`, `forbidden`
 */
export async function retryOrder(
  processor: OrderProcessor,
  access: Access,
  ids: ClientIds,
  wanted: Wanted,
  options: RetryOrderOptions,
): Promise<OrderRecord> {
  const { id, userId, orderedAmount: amount, postings } = await findOrder(processor, ids, wanted);
  checkMayOrder(access, { userId, amount, postings });
  return processor.retry(id, options);
}

/**
 * Runs the failed compensations of an order once more, for an operator.
 *
 * @returns the order's record after that
 * @throws HttpError `not_found`, `forbidden`, `bad_request` where this processor has no such steps
 */
export async function compensateOrder(
  processor: OrderProcessor,
  access: Access,
  ids: ClientIds,
  wanted: Wanted,
): Promise<OrderRecord> {
  checkMayOperate(access);
  const { id } = await findOrder(processor, ids, wanted);
  try {
    return await processor.compensate(id);
  } catch (error) {
    throw error instanceof TypeError ? badRequest(error.message) : error;
  }
}
