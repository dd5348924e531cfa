import { appliedPostings } from '../../core/order/receipt.ts';
import { retryLinks } from '../../core/order/retry/retry-links.ts';
import { noneRemembered, noResults, noSteps } from '../../core/order/step-result.ts';
import type { NewOrder, StoredOrder } from '../../core/order/stored-order.ts';
import { timeFields } from '../../core/order/times/order-times.ts';

/** An order that was kept just now, as it would be read. */
export function acceptedOrder(order: NewOrder, sequence: number): StoredOrder {
  const { id, userId, amount, priority, payload, labels, content, acceptedAt } = order;
  return {
    ...timeFields(order),
    ...retryLinks(order),
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
    cause: undefined,
    steps: noSteps,
    results: noResults,
    attempt: 1,
    remembered: noneRemembered,
    decided: undefined,
    settlement: undefined,
  };
}
