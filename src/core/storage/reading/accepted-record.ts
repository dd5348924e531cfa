import { appliedPostings } from '../../order/receipt.ts';
import { retryLinks } from '../../order/retry/retry-links.ts';
import { noResults, noSteps } from '../../order/step-result.ts';
import type { NewOrder, StoredOrder } from '../../order/stored-order.ts';
import { timeFields } from '../../order/times/order-times.ts';

/** What the processing of an order adds. */
type Progress = 'attempt' | 'decided' | 'remembered';

/** An order that was kept just now, as it would be read. */
export function acceptedRecord(order: NewOrder, sequence: number): Omit<StoredOrder, Progress> {
  const { id, userId, amount, priority, payload, labels, content, acceptedAt } = order;
  return {
    ...timeFields(order),
    ...retryLinks(order),
    ...(order.traceContext && { traceContext: order.traceContext }),
    ...{ id, userId, amount, priority, payload, labels, content, acceptedAt, sequence },
    postings: appliedPostings(order.postings),
    orderedAmount: amount,
    status: 'pending',
    startedAt: undefined,
    settledAt: undefined,
    balance: undefined,
    code: undefined,
    message: undefined,
    retryable: undefined,
    settlement: undefined,
    steps: noSteps,
    results: noResults,
  };
}
