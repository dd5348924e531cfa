import { ranks } from '../../core/order/order.ts';
import { orderedPostings } from '../../core/order/receipt.ts';
import type { NewOrder } from '../../core/order/stored-order.ts';
import { traceText } from '../../core/order/trace/trace-context.ts';
import { toKept } from './kept-text.ts';
import { partitionOf } from './partition.ts';

/** What is kept of an order when it is accepted: the columns of `orders`, but `seq`. */
export interface AcceptedColumns {
  readonly id: string;
  readonly userId: string;
  readonly part: number;
  readonly amount: number;
  readonly priority: number;
  readonly acceptedAt: number;
  readonly notBefore: number | null;
  readonly expiresAt: number | null;
  readonly payload: string | null;
  readonly content: string | null;
  readonly labels: string | null;
  readonly postings: string | null;
  readonly retryOf: string | null;
  readonly trace: string | null;
}

/**
 * @param amount - what was ordered
 * @param partitions - how many there are
 */
export function acceptedColumnsOf(
  order: NewOrder,
  partitions: number,
  amount = order.amount,
): AcceptedColumns {
  const { payload, content, labels, postings } = order;
  const userId = toKept(order.userId);
  return {
    id: toKept(order.id),
    userId,
    part: partitionOf(userId, partitions),
    amount,
    priority: ranks.indexOf(order.priority),
    acceptedAt: order.acceptedAt,
    notBefore: order.notBefore ?? null,
    expiresAt: order.expiresAt ?? null,
    payload: payload === undefined ? null : JSON.stringify(payload),
    // In an array, since `undefined` differs from being the payload.
    content: content === payload ? null : JSON.stringify(content === undefined ? [] : [content]),
    labels: labels.length === 0 ? null : JSON.stringify(labels),
    postings: postings.length === 0 ? null : JSON.stringify(orderedPostings(postings)),
    retryOf: order.retryOf === undefined ? null : toKept(order.retryOf),
    trace: traceText(order.traceContext),
  };
}
