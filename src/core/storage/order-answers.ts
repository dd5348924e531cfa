import { refusals, refusedBy } from '../order/receipt.ts';
import type { StoredOrder } from '../order/stored-order.ts';
import { show } from '../runtime/thrown.ts';
import { type LedgerSettlement, lost, outcomeOf, type Settled } from './ledger.ts';
import type { StoredOrderPage, StoredOrderQuery } from './lists/stored-order-page.ts';
import type { SettlementResult } from './order-storage.ts';

// Checks the answers of a host's `OrderStorage`.

/**
 * The result of each settlement of a call.
 *
 * @param isShared - whether several processors share the storage
 */
export function settledOf(
  settlements: readonly LedgerSettlement[],
  results: readonly SettlementResult[],
  isShared = false,
): Settled[] {
  checkAll('settle', results, settlements.length);
  return results.map((result, at) =>
    toSettled(settlements[at] as LedgerSettlement, result, isShared),
  );
}

function toSettled(
  settlement: LedgerSettlement,
  result: SettlementResult,
  isShared: boolean,
): Settled {
  if (result.status === 'known') {
    const isSettled = result.order.settledAt !== undefined;
    if (isSettled || !settlement.isAccepted) return { known: withMessage(result.order) };
    // Otherwise its steps would be run again without end.
    return { cause: new TypeError("Expected the storage's `settle` to settle an accepted order") };
  }
  if (result.status === 'failed') return { cause: result.error };
  if (result.status === 'refused') return refusedBy(result.code, settlement, settlement.steps);
  if (result.status === 'lost') {
    if (isShared) return lost;
    throw new TypeError("Expected the storage's `settle` to answer `lost` only if it is shared");
  }
  if (settlement.outcome !== 'completed') return outcomeOf(settlement, undefined);
  const { balance, balances } = result;
  if (Number.isSafeInteger(balance)) {
    checkBalances('settle', balances, settlement.postings.length);
    return outcomeOf(settlement, balance, balances);
  }
  throw new TypeError(
    `Expected the storage's \`settle\` to give a safe integer as \`balance\`, got \`${show(result.balance)}\``,
  );
}

/** Each posting of an order has the balance after it. */
export function checkBalances(method: string, balances: unknown, count: number): void {
  if (count === 0) return;
  const isWhole = Array.isArray(balances) && balances.length === count;
  if (isWhole && balances.every(Number.isSafeInteger)) return;
  throw new TypeError(
    `Expected the storage's \`${method}\` to give ${count} safe integers as \`balances\`, got \`${show(balances)}\``,
  );
}

/** A stored order with its message: a storage that refused an amount keeps only the code. */
export function withMessage(order: StoredOrder): StoredOrder {
  if (order.message !== undefined || order.code === undefined) return order;
  const message = refusals[order.code as keyof typeof refusals] ?? '';
  return { ...order, message, retryable: order.retryable ?? false };
}

/** An order that is kept by a shared storage alone is not enqueued here, and any other is. */
export function checkAccepted(status: 'accepted' | 'kept', isShared: boolean): void {
  const expected = isShared ? 'kept' : 'accepted';
  if (status === expected) return;
  throw new TypeError(
    `Expected the storage's \`accept\` to answer \`${expected}\`, got \`${status}\``,
  );
}

/** Each page must begin further on than the one before, so that the pages end. */
export function checkPage(
  { orders, next }: StoredOrderPage,
  { before = Number.POSITIVE_INFINITY }: StoredOrderQuery,
): StoredOrderPage {
  let last = before;
  for (const { sequence } of orders) {
    checkSequence('list', sequence, last);
    last = sequence;
  }
  if (next === undefined) return { orders, next };
  checkSequence('list', next, before);
  if (next <= last) return { orders, next };
  throw new TypeError(
    `Expected \`next\` of the storage's \`list\` to be ${last} at most, got \`${next}\``,
  );
}

/** @param below - what it must be less than, since the orders come from the greatest to the least */
export function checkSequence(
  method: string,
  sequence: number,
  below = Number.POSITIVE_INFINITY,
): void {
  if (Number.isSafeInteger(sequence) && sequence >= 1 && sequence < below) return;
  const form = below === Number.POSITIVE_INFINITY ? '' : ` below ${below}`;
  throw new TypeError(
    `Expected the storage's \`${method}\` to give an integer from 1 up${form} as sequence, got \`${show(sequence)}\``,
  );
}

export function checkAll<T extends { readonly status: string }>(
  method: string,
  results: readonly T[],
  count: number,
): readonly T[] {
  let isWhole = Array.isArray(results) && results.length === count;
  for (let at = 0; isWhole && at < count; at += 1) {
    isWhole = typeof results[at]?.status === 'string';
  }
  if (isWhole) return results;
  const got = Array.isArray(results) ? `${results.length}` : show(results);
  throw new TypeError(
    `Expected the storage's \`${method}\` to give ${count} results, got \`${got}\``,
  );
}
