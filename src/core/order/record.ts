import { asError, causeOfOrder } from './order-cause.ts';
import type { OrderErrorFacts } from './order-error.ts';
import { OrderError, repeatedErrors } from './order-error.ts';
import type { OrderOutcome, OrderRecord } from './outcome.ts';
import type { ParsedOrder } from './parse-order.ts';
import { appliedPostings, receiptOf } from './receipt.ts';
import { noResults } from './step-result.ts';
import type { StoredOrder } from './stored-order.ts';
import { timeFields, waitMsOf } from './times/order-times.ts';

/**
 * The outcome of an order that the storage remembers, as its first caller got it.
 *
 * @param reason - why its caller canceled it, if it is canceled and nothing else is kept of that
 */
export function outcomeOfRecord(record: OrderRecord, reason?: unknown): OrderOutcome {
  const { id: orderId, userId, labels, steps, status, retryable } = record;
  const { balance, acceptedAt, startedAt, settledAt } = record;
  if (status === 'completed') {
    const times = { acceptedAt, startedAt, settledAt: settledAt as number };
    return receiptOf(record, balance as number, times, steps, record.postings);
  }
  const outcome = status === 'canceled' ? status : 'failed';
  const facts: OrderErrorFacts = {
    outcome,
    orderId,
    userId,
    labels,
    steps,
    retryable,
    cause: record.cause ? asError(record.cause) : outcome === 'canceled' ? reason : undefined,
    ...(startedAt !== undefined && {
      waitMs: waitMsOf(record.notBefore, acceptedAt, startedAt),
      durationMs: (settledAt as number) - startedAt,
    }),
  };
  const error = new OrderError(record.code ?? 'internal', record.message ?? '', facts);
  return { status: outcome, error };
}

/** The record of an order that has just come to its outcome; the storage need not be asked. */
export function recordOfOutcome(
  order: ParsedOrder,
  outcome: OrderOutcome,
  acceptedAt: number,
): OrderRecord {
  const { id, userId, amount, priority, payload, labels } = order;
  const isCompleted = outcome.status === 'completed';
  const error = isCompleted ? undefined : outcome.error;
  const { waitMs = 0, durationMs = 0 } = isCompleted ? outcome : outcome.error;
  const startedAt = Math.max(acceptedAt, order.times?.notBefore ?? acceptedAt) + waitMs;
  return {
    id,
    userId,
    amount: isCompleted ? outcome.amount : amount,
    orderedAmount: amount,
    priority,
    payload,
    labels,
    postings: isCompleted ? outcome.postings : appliedPostings(order.postings),
    ...(order.times && timeFields(order.times)),
    ...(order.retryOf !== undefined && { retryOf: order.retryOf }),
    status: isCompleted || outcome.status === 'canceled' ? outcome.status : 'failed',
    acceptedAt,
    startedAt,
    settledAt: startedAt + durationMs,
    balance: isCompleted ? outcome.balance : undefined,
    code: error?.code,
    message: error?.message,
    retryable: error?.retryable,
    cause: error && causeOfOrder(error),
    steps: isCompleted ? outcome.steps : outcome.error.steps,
    results: isCompleted ? outcome.results : noResults,
  };
}

/** The outcome of an order that was settled before, for a caller that hands it in once more. */
export function repeatedOutcomeOf(record: OrderRecord): OrderOutcome {
  const outcome = outcomeOfRecord(record);
  if (outcome.status !== 'completed') repeatedErrors.add(outcome.error);
  return outcome;
}

/** What hosts see of an order that a storage keeps. */
export function recordOf(stored: OrderRecord & Partial<StoredOrder>): OrderRecord {
  const {
    content: _content,
    traceContext: _traceContext,
    attempt: _attempt,
    remembered: _remembered,
    decided: _decided,
    compensations: _compensations,
    sequence: _sequence,
    settlement: _settlement,
    ...record
  } = stored;
  return record;
}
