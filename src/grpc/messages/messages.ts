import type { MessageInitShape } from '@bufbuild/protobuf';
import type { OrderError } from '../../core/order/order-error.ts';
import type {
  AppliedPosting,
  OrderOutcome,
  OrderRecord,
  Receipt,
} from '../../core/order/outcome.ts';
import type { StepProgress, StepResult, StepValues } from '../../core/order/step-result.ts';
import {
  type AppliedPostingSchema,
  ErrorOutcome,
  type OrderErrorDetailSchema,
  type OrderRecordSchema,
  OrderStatus,
  Priority,
  type ReceiptSchema,
  type StepProgressSchema,
  type StepResultSchema,
  StepStatus,
  type SubmitOrdersResponseSchema,
} from '../gen/orderprocessor/v1/orders_pb.js';
import { amountOf, durationOf, payloadOf, resultsOf, timeOf } from './wire.ts';

const outcomes = {
  refused: ErrorOutcome.REFUSED,
  failed: ErrorOutcome.FAILED,
  canceled: ErrorOutcome.CANCELED,
} as const;

const priorities = {
  high: Priority.HIGH,
  medium: Priority.MEDIUM,
  low: Priority.LOW,
} as const;

const statuses = {
  pending: OrderStatus.PENDING,
  processing: OrderStatus.PROCESSING,
  completed: OrderStatus.COMPLETED,
  failed: OrderStatus.FAILED,
  canceled: OrderStatus.CANCELED,
} as const;

const stepStatuses = {
  ok: StepStatus.OK,
  error: StepStatus.ERROR,
  canceled: StepStatus.CANCELED,
  skipped: StepStatus.SKIPPED,
  compensated: StepStatus.COMPENSATED,
} as const;

export function stepOf(step: StepResult): MessageInitShape<typeof StepResultSchema> {
  const { name, status, durationMs, attempts, code, compensation } = step;
  return {
    name,
    status: stepStatuses[status],
    duration: durationOf(durationMs),
    attempts,
    code,
    compensation: compensation && {
      isOk: compensation.status === 'ok',
      duration: durationOf(compensation.durationMs),
      attempts: compensation.attempts,
      code: compensation.code,
      message: compensation.message,
      cause: compensation.cause,
    },
  };
}

export function progressOf(progress: StepProgress): MessageInitShape<typeof StepProgressSchema> {
  const { step, isCompensation, fraction, label } = progress;
  return { step, isCompensation, fraction, label };
}

function postingOf(posting: AppliedPosting): MessageInitShape<typeof AppliedPostingSchema> {
  const { userId, amount, orderedAmount, balance } = posting;
  return {
    userId,
    amount: BigInt(amount),
    orderedAmount: BigInt(orderedAmount),
    balance: amountOf(balance),
  };
}

/** Records and receipts of events have neither payload nor results. */
type WithoutLong<T> = Omit<T, 'payload' | 'results'> & {
  readonly payload?: unknown;
  readonly results?: StepValues | undefined;
};

export function recordMessage(
  record: WithoutLong<OrderRecord>,
): MessageInitShape<typeof OrderRecordSchema> {
  const { id, userId, amount, priority, labels, code, message, retryable, steps } = record;
  return {
    id,
    userId,
    amount: BigInt(amount),
    orderedAmount: BigInt(record.orderedAmount),
    priority: priorities[priority],
    payload: payloadOf(record.payload),
    labels: [...labels],
    status: statuses[record.status],
    acceptedAt: timeOf(record.acceptedAt),
    startedAt: timeOf(record.startedAt),
    settledAt: timeOf(record.settledAt),
    balance: amountOf(record.balance),
    code,
    message,
    isRetryable: retryable,
    steps: steps.map(stepOf),
    results: resultsOf(record.results),
    postings: record.postings.map(postingOf),
    notBefore: timeOf(record.notBefore),
    expiresAt: timeOf(record.expiresAt),
    progress: record.progress && progressOf(record.progress),
    retryOf: record.retryOf,
    retriedAs: record.retriedAs,
  };
}

export function receiptMessage(
  receipt: WithoutLong<Receipt>,
): MessageInitShape<typeof ReceiptSchema> {
  const { orderId, userId, amount, balance, labels, steps } = receipt;
  return {
    orderId,
    userId,
    amount: BigInt(amount),
    orderedAmount: BigInt(receipt.orderedAmount),
    balance: BigInt(balance),
    acceptedAt: timeOf(receipt.acceptedAt),
    wait: durationOf(receipt.waitMs),
    duration: durationOf(receipt.durationMs),
    steps: steps.map(stepOf),
    results: resultsOf(receipt.results),
    labels: [...labels],
    postings: receipt.postings.map(postingOf),
    payload: payloadOf(receipt.payload),
  };
}

export function errorMessage(error: OrderError): MessageInitShape<typeof OrderErrorDetailSchema> {
  const { code, message, orderId, userId, outcome, retryable, retryAfterMs } = error;
  // Of an order that was read the places begin in the order; the user of a message that could not be read is unknown.
  const root = userId === undefined ? '' : 'order.';
  return {
    code,
    message,
    orderId,
    userId,
    isRetryable: retryable,
    retryAfter: retryAfterMs === undefined ? undefined : durationOf(retryAfterMs),
    issues: error.issues.map(({ path, message: what }) => ({ path: root + path, message: what })),
    labels: [...error.labels],
    steps: error.steps.map(stepOf),
    outcome: outcome === undefined ? ErrorOutcome.UNSPECIFIED : outcomes[outcome],
  };
}

export function outcomeMessage(
  outcome: OrderOutcome,
  index: number,
): MessageInitShape<typeof SubmitOrdersResponseSchema> {
  if (outcome.status === 'completed') {
    const value = receiptMessage({ ...outcome, payload: undefined });
    return { index: BigInt(index), outcome: { case: 'receipt', value } };
  }
  const { status, error } = outcome;
  const value = {
    isRefused: status === 'refused',
    isCanceled: status === 'canceled',
    error: errorMessage(error),
  };
  return { index: BigInt(index), outcome: { case: 'unfulfilled', value } };
}
