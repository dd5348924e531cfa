import type { CoreSettlement, Refusal, SettledFields, Times } from '../storage/ledger.ts';
import type { StoredOrder } from '../storage/order-storage.ts';
import type { ParsedOrder } from './order.ts';
import { asError, causeOfOrder } from './order-cause.ts';
import { OrderError, type OrderErrorFacts } from './order-error.ts';
import {
  noSteps,
  type OrderOutcome,
  type OrderRecord,
  type Receipt,
  type StepResult,
} from './outcome.ts';

/** Why the storage refused a completed order's change, for people. */
export const refusals: Readonly<Record<Refusal, string>> = {
  insufficient_funds: 'The debit would take the balance below `minBalance`',
  balance_overflow: 'The balance would leave the safe integers',
};

type Receivable = Pick<SettledFields, 'id' | 'userId' | 'amount' | 'labels' | 'payload'>;

/**
 * A receipt, which nobody can tell from a literal. But of a literal V8 notes how many outlive a collection of the
 * young generation, and where nearly all did, as in a long list, it makes all later ones in the old generation:
 * every order then costs half as much again.
 */
const PlainReceipt = function (
  this: { -readonly [F in keyof Receipt]: Receipt[F] },
  { id, userId, amount, labels, payload }: Receivable,
  balance: number,
  { acceptedAt, startedAt = acceptedAt, settledAt }: Times,
  steps: readonly StepResult[],
): void {
  this.status = 'completed';
  this.orderId = id;
  this.userId = userId;
  this.amount = amount;
  this.balance = balance;
  this.acceptedAt = acceptedAt;
  this.waitMs = startedAt - acceptedAt;
  this.durationMs = settledAt - startedAt;
  this.steps = steps;
  this.labels = labels;
  this.payload = payload;
} as unknown as new (
  ...fields: Parameters<typeof receiptOf>
) => Receipt;
PlainReceipt.prototype = Object.prototype;

export function receiptOf(
  order: Receivable,
  balance: number,
  times: Times,
  steps: readonly StepResult[],
): Receipt {
  return new PlainReceipt(order, balance, times, steps);
}

/**
 * What an order came to: the storage may have refused what the steps had completed.
 *
 * @param result - the balance after a completed order, or why the storage refused its change
 */
export function outcomeOf(
  settlement: CoreSettlement,
  result: number | Refusal | undefined,
): OrderOutcome {
  const { outcome, error, steps } = settlement;
  if (typeof result === 'number') return receiptOf(settlement, result, settlement, steps);
  if (result !== undefined) return refusedBy(result, settlement, steps);
  return { status: outcome === 'canceled' ? outcome : 'failed', error: error as OrderError };
}

/** The outcome of an order that the storage remembers, as its first caller heard it. */
export function outcomeOfRecord(record: OrderRecord): OrderOutcome {
  const { id: orderId, userId, labels, steps, status, retryable } = record;
  const { balance, acceptedAt, startedAt, settledAt } = record;
  if (status === 'completed') {
    const times = { acceptedAt, startedAt, settledAt: settledAt as number };
    return receiptOf(record, balance as number, times, steps);
  }
  const outcome = status === 'canceled' ? status : 'failed';
  const facts: OrderErrorFacts = {
    outcome,
    orderId,
    userId,
    labels,
    steps,
    retryable,
    cause: record.cause && asError(record.cause),
    ...(startedAt !== undefined && {
      waitMs: startedAt - acceptedAt,
      durationMs: (settledAt as number) - startedAt,
    }),
  };
  const error = new OrderError(record.code ?? 'internal', record.message ?? '', facts);
  return { status: outcome, error };
}

/** The record of an order without steps that has just come to its outcome; the storage need not be asked. */
export function recordOfOutcome(
  order: ParsedOrder,
  outcome: OrderOutcome,
  acceptedAt: number,
): OrderRecord {
  const { id, userId, amount, priority, payload, labels } = order;
  const isCompleted = outcome.status === 'completed';
  const error = isCompleted ? undefined : outcome.error;
  const { waitMs = 0, durationMs = 0 } = isCompleted ? outcome : outcome.error;
  const startedAt = acceptedAt + waitMs;
  return {
    id,
    userId,
    amount,
    priority,
    payload,
    labels,
    status: isCompleted || outcome.status === 'canceled' ? outcome.status : 'failed',
    acceptedAt,
    startedAt,
    settledAt: startedAt + durationMs,
    balance: isCompleted ? outcome.balance : undefined,
    code: error?.code,
    message: error?.message,
    retryable: error?.retryable,
    cause: error && causeOfOrder(error),
    steps: noSteps,
  };
}

/** What hosts see of an order that a storage keeps. */
export function recordOf(stored: OrderRecord & Partial<StoredOrder>): OrderRecord {
  const {
    content: _content,
    attempt: _attempt,
    decided: _decided,
    sequence: _sequence,
    ...record
  } = stored;
  return record;
}

/** The outcome of an order whose change the storage refused. */
export function refusedBy(
  refusal: Refusal,
  { id: orderId, userId, labels }: Pick<SettledFields, 'id' | 'userId' | 'labels'>,
  steps: readonly StepResult[],
): OrderOutcome {
  const facts = { outcome: 'failed', orderId, userId, labels, steps } as const;
  const error = new OrderError(refusal, refusals[refusal], facts);
  return { status: 'failed', error };
}
