import type { OrderError } from '../order/order-error.ts';
import type { OrderOutcome } from '../order/outcome.ts';
import { appliedPostings, receiptOf, refusedBy } from '../order/receipt.ts';
import type { StepResult } from '../order/step-result.ts';
import type { NewOrder, Refusal, StoredOrder } from '../order/stored-order.ts';
import type { Awaitable } from '../runtime/awaitable.ts';
import type { BalanceStorage } from './balance-storage.ts';
import type { DuePage, DueQuery } from './due/due-orders.ts';
import type { HistoryStorage } from './history/history-storage.ts';
import type { HoldStorage } from './holds/hold.ts';
import type { StoredOrderPage, StoredOrderQuery } from './lists/stored-order-page.ts';
import type { AcceptResult, RememberedOrder, RememberResult, Settlement } from './order-storage.ts';
import type { TransactionClient, TransactionResult } from './order-transaction.ts';
import type { FencedWrite } from './requests/fenced-write.ts';
import type { ClusterStats, SharedOrders, SharedPage } from './shared-storage.ts';

/** A settlement as the core makes it. */
export interface LedgerSettlement extends Settlement {
  /** Set again if only balances are kept: the settlement is recorded when the storage has answered. */
  settledAt: number;
  /** The order's place in the order of acceptance; 0 if the storage gives it. */
  readonly sequence: number;
  /** The clock's shift when the order was accepted; see `Clock`. */
  readonly shift: number;
  /** Whether the storage is only asked for the amount, before the steps run; the order is settled after them. */
  readonly isTrial: boolean;
}

/**
 * The result of a settlement: the order's outcome, the order that has its id, why the storage never settles it, or
 * that another processor is to settle it.
 */
export type Settled = OrderOutcome | Known | Untreatable | Lost;

/** The processor owned the order no longer. Nothing was recorded for it. */
export interface Lost {
  readonly isLost: true;
}

/** One object for all. */
export const lost: Lost = Object.freeze({ isLost: true });

/** An order that failed by itself in a call that worked. Nothing was recorded for it. */
export interface Untreatable {
  readonly cause: unknown;
}

export function isUntreatable(result: Settled): result is Untreatable {
  return (result as Partial<OrderOutcome>).status === undefined && 'cause' in result;
}

/** The order that has an id already. */
export interface Known {
  readonly known: StoredOrder;
}

/** How the core sees every storage; `openLedger` makes one. Its methods check the answers of the storage. */
export interface Ledger extends Pick<BalanceStorage, 'get' | 'sizes' | 'close'> {
  /** Whether orders may have postings. */
  readonly appliesPostings: boolean;
  /** Keeps accepted orders before they are settled; without it they are only in this process. */
  readonly journal: JournalStorage | undefined;
  /** Whether it keeps everything in this process: its calls do not count as calls of a storage. */
  readonly isVolatile: boolean;
  /** The lanes that are held; in this process alone where only balances are kept. */
  readonly holds: HoldStorage;
  /**
   * Records outcomes and applies balances in the order given; index-aligned. A call that throws or rejects may have
   * done its work: only another call with the same orders shows it.
   */
  settle(settlements: readonly LedgerSettlement[]): Awaitable<readonly Settled[]>;
  /**
   * Records an order that did not complete, if the storage keeps balances alone. The storage is not asked, so the order
   * is settled even if it fails; `settle` then gets only orders that completed.
   */
  settleUncompleted?(settlement: LedgerSettlement): OrderOutcome;
  /** What was settled, in the order in which it was applied. */
  readonly history: HistoryStorage;
  /** What is known of all processors, of a storage that several share. */
  cluster?(): ClusterStats | undefined;
  /** A settled order, if the storage can answer at once. */
  record(id: string): StoredOrder | undefined;
  /** One page of the orders that it has. */
  list(query: StoredOrderQuery): Awaitable<StoredOrderPage>;
  /** The next place in the order of acceptance; 0 if the storage gives it when it keeps the order. */
  nextSequence(): number;
  /** Replaces the step results of a settled order, if it is still remembered. */
  amend(id: string, steps: readonly StepResult[]): FencedWrite;
}

/** Keeps an order in a transaction of the host's. */
export type KeepInTransaction = (order: NewOrder) => Promise<TransactionResult>;

/** The part of an `OrderStorage` for orders before their settlement. */
export interface JournalStorage {
  /** Whether payloads must be JSON. */
  readonly isJson: boolean;
  /** Of a storage that several processors share. */
  readonly shared: SharedOrders | undefined;
  /** Asked before a step begins; `undefined` if the storage need not be. */
  readonly mayBegin: (() => boolean) | undefined;
  accept(orders: readonly NewOrder[]): Promise<readonly AcceptResult[]>;
  /**
   * What keeps an order in a transaction of the host's; `undefined` if the storage cannot do so.
   *
   * @throws TypeError for a connection that the storage cannot use
   */
  transaction(client: TransactionClient): KeepInTransaction | undefined;
  find(id: string): Promise<StoredOrder | undefined>;
  remember(orders: readonly RememberedOrder[]): Promise<readonly RememberResult[]>;
  /**
   * The orders that are to be processed here, in pages; one says that all earlier ones have come.
   */
  unsettled(): AsyncIterable<SharedPage>;
  /** When it was opened: `unsettled` leaves out the orders whose `notBefore` is above this time. */
  readonly startedAt: number;
  /** The next orders that have a `notBefore`. */
  due(query: DueQuery): Promise<DuePage>;
  /** How many unsettled orders have a `notBefore` above a time. */
  delayed(after: number): Promise<number>;
}

/**
 * The outcome of an order: the storage may have refused the amount after the steps completed.
 *
 * @param result - the balance after a completed order, or why the storage refused its change
 * @param balances - after each of its postings
 */
export function outcomeOf(
  settlement: LedgerSettlement,
  result: number | Refusal | undefined,
  balances?: readonly number[],
): OrderOutcome {
  const { outcome, error, steps, postings } = settlement;
  if (typeof result === 'number') {
    return receiptOf(settlement, result, settlement, steps, appliedPostings(postings, balances));
  }
  if (result !== undefined) return refusedBy(result, settlement, steps);
  return { status: outcome === 'canceled' ? outcome : 'failed', error: error as OrderError };
}
