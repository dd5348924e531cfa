import type { OrderError } from '../order/order-error.ts';
import type { OrderOutcome } from '../order/outcome.ts';
import { receiptOf, refusedBy } from '../order/receipt.ts';
import type { StepResult } from '../order/step-result.ts';
import type { NewOrder, Refusal, StoredOrder } from '../order/stored-order.ts';
import type { Awaitable } from '../runtime/awaitable.ts';
import type { BalanceStorage } from './balance-storage.ts';
import type {
  AcceptResult,
  Settlement,
  StoredOrderPage,
  StoredOrderQuery,
} from './order-storage.ts';

/** A settlement as the core makes it. */
export interface LedgerSettlement extends Settlement {
  /** Written anew where only balances are kept: it is recorded when the storage has answered. */
  settledAt: number;
  /** The order's place in the order of acceptance; 0 where the storage gives it. */
  readonly sequence: number;
  /** Of the machine's clock when the order was accepted; see `Clock`. */
  readonly shift: number;
  /** Whether the storage is asked for the amount before the steps run: the order is settled after them. */
  readonly isTrial: boolean;
}

/** What a settlement came to: the order's outcome, that its id was taken, or that the storage never settles it. */
export type Settled = OrderOutcome | Known | Untreatable;

/** An order that failed by itself in a call that worked. Nothing was recorded for it. */
export interface Untreatable {
  readonly cause: unknown;
}

/** The order that has an id already. */
export interface Known {
  readonly known: StoredOrder;
}

/** How the core sees every storage; `openLedger` makes one. Its methods believe nothing that they can check. */
export interface Ledger extends Pick<BalanceStorage, 'get' | 'sizes' | 'close'> {
  /** Where accepted orders are kept before they are settled; without one they are in this process alone. */
  readonly journal: JournalStorage | undefined;
  /** Whether all that it knows is of this process: no call of it counts as a call of a storage. */
  readonly isVolatile: boolean;
  /**
   * Records outcomes and applies balances in the order given; index-aligned. A call that throws or rejects may have
   * done its work: only another one with the same orders says so.
   */
  settle(settlements: readonly LedgerSettlement[]): Awaitable<readonly Settled[]>;
  /** A settled order, where that can be said at once. */
  record(id: string): StoredOrder | undefined;
  /** One page of the orders that it keeps or remembers. */
  list(query: StoredOrderQuery): Awaitable<StoredOrderPage>;
  /** The next place in the order of acceptance; 0 where the storage gives it when it keeps the order. */
  nextSequence(): number;
  /** Replaces the step results of a settled order, if it is still remembered. */
  amend(id: string, steps: readonly StepResult[]): Awaitable<void>;
}

/** The part of an `OrderStorage` that has to do with orders before their settlement. */
export interface JournalStorage {
  /** Whether payloads must be JSON. */
  readonly isJson: boolean;
  accept(orders: readonly NewOrder[]): Promise<readonly AcceptResult[]>;
  find(id: string): Promise<StoredOrder | undefined>;
  unsettled(): AsyncIterable<readonly StoredOrder[]>;
}

/**
 * What an order came to: the storage may have refused what the steps had completed.
 *
 * @param result - the balance after a completed order, or why the storage refused its change
 */
export function outcomeOf(
  settlement: LedgerSettlement,
  result: number | Refusal | undefined,
): OrderOutcome {
  const { outcome, error, steps } = settlement;
  if (typeof result === 'number') return receiptOf(settlement, result, settlement, steps);
  if (result !== undefined) return refusedBy(result, settlement, steps);
  return { status: outcome === 'canceled' ? outcome : 'failed', error: error as OrderError };
}
