import type { OrderRecord } from '../../core/order/outcome.ts';
import type { Hold } from '../../core/storage/holds/hold.ts';
import type { CauseView, LaneView, OrderSummary } from '../api.ts';
import { amount, defined } from './amounts.ts';

const longestMessage = 2_000;

export function summaryOf(record: OrderRecord): OrderSummary {
  const { id, userId, status, priority, labels, acceptedAt, progress } = record;
  return defined({
    ...{ id, userId, status, amount: amount(record.amount), priority, labels, acceptedAt },
    startedAt: record.startedAt,
    settledAt: record.settledAt,
    notBefore: record.notBefore,
    expiresAt: record.expiresAt,
    code: record.code,
    message: record.message?.slice(0, longestMessage),
    isRetryable: record.retryable,
    retryOf: record.retryOf,
    retriedAs: record.retriedAs,
    progress:
      progress === undefined || progress.isCompensation
        ? undefined
        : defined({ step: progress.step, fraction: progress.fraction, label: progress.label }),
  }) as OrderSummary;
}

export function laneOf(hold: Hold): LaneView {
  const { userId, heldAt, reason, orderId, code, message, cause, compensated } = hold;
  return defined({
    ...{ userId, heldAt, reason, orderId, code },
    message: message?.slice(0, longestMessage),
    cause: causeOf(cause),
    compensated,
  }) as LaneView;
}

export function causeOf(cause: CauseView | undefined): CauseView | undefined {
  return cause && { name: cause.name, message: cause.message };
}
