import { fromJson, type JsonValue, type MessageInitShape } from '@bufbuild/protobuf';
import {
  type Duration,
  type Timestamp,
  timestampFromMs,
  type Value,
  ValueSchema,
} from '@bufbuild/protobuf/wkt';
import type {
  RetriedStep,
  StalledOrder,
  SteppedOrder,
} from '../../core/lifecycle/processor-events.ts';
import type { Percentiles, ProcessorStats } from '../../core/lifecycle/stats.ts';
import type { OrderError } from '../../core/order/order-error.ts';
import type { OrderOutcome, OrderRecord, Receipt } from '../../core/order/outcome.ts';
import type { StepResult } from '../../core/order/step-result.ts';
import {
  ErrorOutcome,
  type GetStatsResponseSchema,
  type OrderErrorDetailSchema,
  type OrderRecordSchema,
  OrderStatus,
  Priority,
  type ReceiptSchema,
  type RetriedStepSchema,
  type StalledOrderSchema,
  type SteppedOrderSchema,
  type StepResultSchema,
  StepStatus,
  type SubmitOrdersResponseSchema,
} from '../gen/orderprocessor/v1/orders_pb.js';

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

/** A duration; milliseconds may have fractions. */
export function durationOf(ms: number): Pick<Duration, 'seconds' | 'nanos'> {
  const seconds = Math.trunc(ms / 1_000);
  return { seconds: BigInt(seconds), nanos: Math.trunc((ms - seconds * 1_000) * 1e6) };
}

function timeOf(unixMs: number | undefined): Timestamp | undefined {
  return unixMs === undefined ? undefined : timestampFromMs(unixMs);
}

function amountOf(amount: number | undefined): bigint | undefined {
  return amount === undefined ? undefined : BigInt(amount);
}

/** `undefined` for a payload that is no JSON: a host's schema may return anything. */
export function payloadOf(payload: unknown): Value | undefined {
  if (payload === undefined) return undefined;
  try {
    return fromJson(ValueSchema, JSON.parse(JSON.stringify(payload)) as JsonValue);
  } catch {
    return undefined;
  }
}

function stepOf(step: StepResult): MessageInitShape<typeof StepResultSchema> {
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
    },
  };
}

export function recordMessage(
  record: Omit<OrderRecord, 'payload' | 'results'> & { readonly payload?: unknown },
): MessageInitShape<typeof OrderRecordSchema> {
  const { id, userId, amount, priority, labels, code, message, retryable, steps } = record;
  return {
    id,
    userId,
    amount: BigInt(amount),
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
  };
}

export function receiptMessage(
  receipt: Omit<Receipt, 'payload' | 'results'> & { readonly payload?: unknown },
): MessageInitShape<typeof ReceiptSchema> {
  const { orderId, userId, amount, balance, labels, steps } = receipt;
  return {
    orderId,
    userId,
    amount: BigInt(amount),
    balance: BigInt(balance),
    acceptedAt: timeOf(receipt.acceptedAt),
    wait: durationOf(receipt.waitMs),
    duration: durationOf(receipt.durationMs),
    steps: steps.map(stepOf),
    labels: [...labels],
    payload: payloadOf(receipt.payload),
  };
}

export function errorMessage(error: OrderError): MessageInitShape<typeof OrderErrorDetailSchema> {
  const { code, message, orderId, userId, outcome, retryable, retryAfterMs } = error;
  return {
    code,
    message,
    orderId,
    userId,
    isRetryable: retryable,
    retryAfter: retryAfterMs === undefined ? undefined : durationOf(retryAfterMs),
    issues: error.issues.map(({ path, message: what }) => ({ path, message: what })),
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

export function steppedMessage(stepped: SteppedOrder): MessageInitShape<typeof SteppedOrderSchema> {
  const { orderId, userId, labels, step } = stepped;
  return { orderId, userId, labels: [...labels], step: stepOf(step) };
}

export function retriedMessage(
  retried: Omit<RetriedStep, 'cause'>,
): MessageInitShape<typeof RetriedStepSchema> {
  const { delayMs, labels, ...rest } = retried;
  return { ...rest, labels: [...labels], delay: durationOf(delayMs) };
}

export function stalledMessage(stalled: StalledOrder): MessageInitShape<typeof StalledOrderSchema> {
  const { runningMs, labels, steps, ...rest } = stalled;
  return { ...rest, labels: [...labels], steps: [...steps], running: durationOf(runningMs) };
}

function percentilesMessage({ p50, p95, p99, max, mean }: Percentiles) {
  return {
    p50: durationOf(p50),
    p95: durationOf(p95),
    p99: durationOf(p99),
    max: durationOf(max),
    mean: durationOf(mean),
  };
}

export function statsMessage(
  stats: ProcessorStats,
): MessageInitShape<typeof GetStatsResponseSchema> {
  return {
    state: stats.state,
    storage: stats.storage,
    recovered: BigInt(stats.recovered),
    isPaused: stats.isPaused,
    capacity: BigInt(stats.capacity),
    concurrency: BigInt(stats.concurrency),
    accepted: BigInt(stats.accepted),
    refused: BigInt(stats.refused),
    duplicates: BigInt(stats.duplicates),
    completed: BigInt(stats.completed),
    failed: BigInt(stats.failed),
    canceled: BigInt(stats.canceled),
    queueLength: BigInt(stats.queueLength),
    waitingCallers: BigInt(stats.waitingCallers),
    unsettled: BigInt(stats.unsettled),
    activeWorkers: BigInt(stats.activeWorkers),
    stalled: BigInt(stats.stalled),
    wait: percentilesMessage(stats.waitMs),
    duration: percentilesMessage(stats.durationMs),
    oldestWait: durationOf(stats.oldestWaitMs),
    uptime: durationOf(stats.uptimeMs),
  };
}
