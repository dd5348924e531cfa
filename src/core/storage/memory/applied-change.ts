import { noLabels, noPostings } from '../../order/order.ts';
import { noResults, noSteps } from '../../order/step-result.ts';
import type { StoredOrder } from '../../order/stored-order.ts';
import type { BalanceChange, BalanceResult } from '../balance-storage.ts';
import type { Remembered } from './settled-columns.ts';

/** A change outside a processor, as the order that it is kept as. */
export function appliedChange(change: BalanceChange): Remembered {
  const { orderId: id, userId, amount } = change;
  const postings = change.postings?.map((posting) => ({ ...posting })) ?? noPostings;
  const now = Date.now();
  return {
    ...{ id, userId, amount, labels: noLabels, payload: undefined, content: undefined, postings },
    ...{ steps: noSteps, results: noResults, orderedAmount: amount },
    ...{ acceptedAt: now, startedAt: now, settledAt: now },
    priority: 'medium',
  };
}

/** What an order that was applied before answered then. */
export function appliedBefore({ balance, postings }: StoredOrder): BalanceResult {
  const before = { balance: balance as number };
  if (postings.length === 0) return before;
  return { ...before, balances: postings.map((posting) => posting.balance as number) };
}
