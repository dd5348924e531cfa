import type { Keyed } from '../collections/id-hash.ts';
import type { OrderError } from '../order/order-error.ts';
import type { OrderOutcome, OrderRecord } from '../order/outcome.ts';
import { receiptOf, refusedBy } from '../order/receipt.ts';
import type { StepResult } from '../order/step-result.ts';
import type {
  NewOrder,
  Refusal,
  SettledFields,
  StoredOrder,
  Times,
} from '../order/stored-order.ts';
import type { Awaitable } from '../runtime/awaitable.ts';
import type { BalanceStorage } from './balance-storage.ts';
import type {
  AcceptResult,
  Settlement,
  StoredOrderPage,
  StoredOrderQuery,
} from './order-storage.ts';

/** A settlement as the core makes it. */
export interface LedgerSettlement extends Settlement, SettledFields {
  /** A storage that keeps no orders sets it when it is done. */
  settledAt: number;
  /** The order's place in the order of acceptance; 0 where the storage gives it. */
  readonly sequence: number;
  /** Of the machine's clock when the order was accepted; see `Clock`. */
  readonly shift: number;
  /** Nor is it the outcome that the amount is applied: the steps are run then, and it comes again. */
  readonly isTrial: boolean;
}

/** What a settlement came to: the order's outcome, that its id had been taken, or that it can never be treated. */
export type Settled = OrderOutcome | Known | Untreatable;

/** An order that failed by itself in a call that worked. */
export interface Untreatable {
  readonly cause: unknown;
}

/** The order that has an id already. */
export interface Known {
  readonly known: StoredOrder;
}

/** How the core sees every storage; see `as-core-storage.ts`. */
export type Ledger = DirectStorage | BatchStorage;

interface Remembers extends Pick<BalanceStorage, 'get' | 'sizes' | 'close'> {
  /** Where accepted orders are kept; without one they are in this process alone. */
  readonly journal?: JournalStorage | undefined;
  /** A settled order, if that can be said at once. */
  record(key: Keyed): OrderRecord | undefined;
  /** The payload of one, as its caller handed it in. */
  contentOf(key: Keyed): unknown;
  /** One page of the orders that it keeps or remembers. */
  list(query: StoredOrderQuery): Awaitable<StoredOrderPage>;
  /** The next place in the order of acceptance; 0 where the storage gives it when it keeps the order. */
  nextSequence(): number;
  /** What became of its steps after it was settled, if it is still remembered. */
  amend(id: string, steps: readonly StepResult[]): Awaitable<void>;
}

/**
 * Answers at once and never fails, so that an order needs no call that gathers others, and no object
 * to travel in. `change` and `remember` follow each other without anything between.
 */
export interface DirectStorage extends Remembers {
  /** Applies a completed order's amount. */
  change(userId: string, amount: number, minBalance: number | undefined): number | Refusal;
  /** Records what became of an order. */
  remember(order: SettledFields, outcome: OrderOutcome, times: Times, sequence: number): void;
}

/** May take its time, and may fail. */
export interface BatchStorage extends Remembers {
  /** Records outcomes and applies balances in the order given; index-aligned. */
  settle(settlements: readonly LedgerSettlement[]): Awaitable<readonly Settled[]>;
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
