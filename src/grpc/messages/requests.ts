import { toJson } from '@bufbuild/protobuf';
import { timestampMs, ValueSchema } from '@bufbuild/protobuf/wkt';
import type { Order, Posting } from '../../core/order/order.ts';
import { OrderError, type OrderIssue } from '../../core/order/order-error.ts';
import type { OrderStatus as Status } from '../../core/order/outcome.ts';
import {
  type HoldOptions,
  isReason,
  longestReason,
} from '../../core/processing/holds/hold-options.ts';
import type { Release } from '../../core/processing/holds/release-options.ts';
import { isCursor } from '../../core/queries/cursor.ts';
import type { MovementQuery } from '../../core/queries/history-query.ts';
import { isHoldCursor } from '../../core/queries/hold-cursor.ts';
import type { HoldQuery } from '../../core/queries/hold-query.ts';
import type { OrderQuery } from '../../core/queries/order-query.ts';
import {
  type GetBalanceRequest,
  type HoldLaneRequest,
  type ListHoldsRequest,
  type ListMovementsRequest,
  type ListOrdersRequest,
  type Order as OrderMessage,
  OrderStatus,
  type Posting as PostingMessage,
  Priority,
  ReleaseAction,
  type ReleaseLaneRequest,
} from '../gen/orderprocessor/v1/orders_pb.js';

const longestName = 256;
const mostPostings = 100;
/** A `Timestamp` ends with the year 9999. */
const endOfTimeMs = Date.UTC(10_000, 0);

const priorities: Readonly<Record<number, Order['priority']>> = {
  [Priority.UNSPECIFIED]: 'medium',
  [Priority.HIGH]: 'high',
  [Priority.MEDIUM]: 'medium',
  [Priority.LOW]: 'low',
};

const statuses: Readonly<Record<number, Status>> = {
  [OrderStatus.PENDING]: 'pending',
  [OrderStatus.PROCESSING]: 'processing',
  [OrderStatus.COMPLETED]: 'completed',
  [OrderStatus.FAILED]: 'failed',
  [OrderStatus.CANCELED]: 'canceled',
};

const actions: Readonly<Record<number, 'retry' | 'skip' | undefined>> = {
  [ReleaseAction.UNSPECIFIED]: undefined,
  [ReleaseAction.RETRY]: 'retry',
  [ReleaseAction.SKIP]: 'skip',
};

/**
 * Reads the order of a request; an error has all that is wrong with it.
 *
 * @throws OrderError `invalid_order` with the issues
 */
export function orderOf(message: OrderMessage | undefined): Order {
  if (message === undefined) throw invalid([{ path: 'order', message: 'Expected an order' }]);
  const { id, userId, amount } = message;
  const issues: OrderIssue[] = [];
  const priority = priorities[message.priority];
  if (id !== undefined) issues.push(...nameIssues('order.id', id));
  issues.push(...nameIssues('order.user_id', userId));
  if (!Number.isSafeInteger(Number(amount))) {
    issues.push({ path: 'order.amount', message: 'Expected at most 2^53 - 1 minor units' });
  }
  if (priority === undefined) {
    issues.push({ path: 'order.priority', message: 'Expected a known priority' });
  }
  issues.push(...postingIssues(message.postings));
  const expiresAt = message.expiresAt && timestampMs(message.expiresAt);
  const notBefore = message.notBefore && timestampMs(message.notBefore);
  issues.push(...timeIssues('order.expires_at', expiresAt));
  issues.push(...timeIssues('order.not_before', notBefore));
  let payload: unknown;
  try {
    payload = message.payload && toJson(ValueSchema, message.payload);
  } catch {
    issues.push({ path: 'order.payload', message: 'Expected JSON: one kind, finite numbers' });
  }
  if (hasPrototypeName(payload)) {
    issues.push({ path: 'order.payload', message: 'Expected no key `__proto__`' });
  }
  if (issues.length > 0) throw invalid(issues, message);
  return {
    id,
    userId,
    amount: Number(amount),
    priority,
    payload,
    ...(message.postings.length > 0 && { postings: message.postings.map(postingOf) }),
    ...(expiresAt !== undefined && { expiresAt }),
    ...(notBefore !== undefined && { notBefore }),
  };
}

function postingOf({ userId, amount }: PostingMessage): Posting {
  return { userId, amount: Number(amount) };
}

/** What they are together, the processor checks. */
function postingIssues(postings: readonly PostingMessage[]): OrderIssue[] {
  if (postings.length > mostPostings) {
    return [{ path: 'order.postings', message: `Expected at most ${mostPostings}` }];
  }
  return postings.flatMap(({ userId, amount }, at) => {
    const path = `order.postings[${at}]`;
    const isAmount = amount >= 1n && Number.isSafeInteger(Number(amount));
    const message = 'Expected 1 to 2^53 - 1 minor units';
    return [
      ...nameIssues(`${path}.user_id`, userId),
      ...(isAmount ? [] : [{ path: `${path}.amount`, message }]),
    ];
  });
}

/** @throws OrderError `invalid_order` unless a field is a user's or an order's id */
export function checkName(path: string, name: string): void {
  const issues = nameIssues(path, name);
  if (issues.length > 0) throw invalid(issues);
}

/** @throws OrderError `invalid_order` */
export function queryOf(request: ListOrdersRequest): OrderQuery {
  const { userId, acceptedFrom, acceptedBefore, pageSize, pageToken } = request;
  const issues: OrderIssue[] = [];
  const status = statuses[request.status];
  if (userId !== undefined) issues.push(...nameIssues('user_id', userId));
  if (status === undefined && request.status !== OrderStatus.UNSPECIFIED) {
    issues.push({ path: 'status', message: 'Expected a known status' });
  }
  issues.push(...pageIssues(pageSize, pageToken, isCursor));
  const from = acceptedFrom && timestampMs(acceptedFrom);
  const before = acceptedBefore && timestampMs(acceptedBefore);
  issues.push(...timeIssues('accepted_from', from), ...timeIssues('accepted_before', before));
  if (issues.length > 0) throw invalid(issues);
  return {
    userId,
    status,
    acceptedFrom: from && Math.ceil(from),
    acceptedBefore: before && Math.ceil(before),
    ...pageOf(pageSize, pageToken),
  };
}

/** @throws OrderError `invalid_order` */
export function movementQueryOf(request: ListMovementsRequest): MovementQuery {
  const { settledFrom, settledBefore, pageSize, pageToken } = request;
  const from = settledFrom && timestampMs(settledFrom);
  const to = settledBefore && timestampMs(settledBefore);
  const issues = [
    ...pageIssues(pageSize, pageToken, () => true),
    ...timeIssues('settled_from', from),
    ...timeIssues('settled_before', to),
  ];
  if (issues.length > 0) throw invalid(issues);
  return { from, to, ...pageOf(pageSize, pageToken) };
}

/** @throws OrderError `invalid_order` */
export function balanceTimeOf({ at }: GetBalanceRequest): number | undefined {
  const ms = at && timestampMs(at);
  const issues = timeIssues('at', ms);
  if (issues.length > 0) throw invalid(issues);
  return ms;
}

/** The page of a request for holds. */
export function holdQueryOf({ pageSize, pageToken }: ListHoldsRequest): HoldQuery {
  const issues = pageIssues(pageSize, pageToken, isHoldCursor);
  if (issues.length > 0) throw invalid(issues);
  return pageOf(pageSize, pageToken);
}

/** @throws OrderError `invalid_order` */
export function holdOptionsOf({ reason }: HoldLaneRequest): HoldOptions {
  if (reason === undefined || isReason(reason)) return { reason };
  const message = `Expected at most ${longestReason} characters`;
  throw invalid([{ path: 'reason', message }]);
}

/** @throws OrderError `invalid_order` */
export function releaseOf({ action, orderId }: ReleaseLaneRequest): Release {
  const issues = orderId === undefined ? [] : nameIssues('order_id', orderId);
  if (!(action in actions)) issues.push({ path: 'action', message: 'Expected a known action' });
  if (issues.length > 0) throw invalid(issues);
  return { action: actions[action], orderId };
}

function pageIssues(
  pageSize: number,
  pageToken: string,
  isToken: (text: string) => boolean,
): OrderIssue[] {
  const issues: OrderIssue[] = [];
  if (pageSize < 0 || pageSize > 1_000) {
    issues.push({ path: 'page_size', message: 'Expected 0 to 1000' });
  }
  if (pageToken !== '' && !isToken(pageToken)) {
    issues.push({ path: 'page_token', message: 'Expected the token of a page' });
  }
  return issues;
}

function pageOf(pageSize: number, pageToken: string): Pick<OrderQuery, 'limit' | 'cursor'> {
  return {
    limit: pageSize === 0 ? undefined : pageSize,
    cursor: pageToken === '' ? undefined : pageToken,
  };
}

export function invalid(
  issues: readonly OrderIssue[],
  message?: OrderMessage | undefined,
): OrderError {
  const text = issues.map(({ path, message: what }) => `${path}: ${what}`).join('; ');
  const orderId = message?.id !== undefined && isName(message.id) ? message.id : undefined;
  return new OrderError('invalid_order', text, { orderId, issues });
}

/** Text in UTF-8 is well-formed; text in JSON may have lone surrogates. */
function isName(name: string): boolean {
  return name.length >= 1 && name.length <= longestName && name.isWellFormed();
}

function nameIssues(path: string, name: string): OrderIssue[] {
  return isName(name) ? [] : [{ path, message: `Expected 1 to ${longestName} characters` }];
}

function timeIssues(path: string, ms = 0): OrderIssue[] {
  const isTime = ms >= 0 && ms < endOfTimeMs;
  return isTime ? [] : [{ path, message: 'Expected a time from 1970 to 9999' }];
}

function hasPrototypeName(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (Object.hasOwn(value, '__proto__')) return true;
  return Object.values(value).some(hasPrototypeName);
}
