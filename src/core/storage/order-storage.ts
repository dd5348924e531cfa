import type { FinalPosting } from '../order/order.ts';
import type { OrderError } from '../order/order-error.ts';
import type { OrderCause, RememberedStep, StepResult, StepValues } from '../order/step-result.ts';
import type { NewOrder, StoredOrder } from '../order/stored-order.ts';
import type { Awaitable } from '../runtime/awaitable.ts';
import type { BalanceStorage } from './balance-storage.ts';
import type { DuePage, DueQuery } from './due/due-orders.ts';
import type { HistoryStorage } from './history/history-storage.ts';
import type { HoldStorage } from './holds/hold.ts';
import type { LaneSettlement } from './holds/lane-settlement.ts';
import type { StoredOrderPage, StoredOrderQuery } from './lists/stored-order-page.ts';
import type { FencedWrite } from './requests/fenced-write.ts';
import type { SharedStorage } from './shared-storage.ts';

/**
 * A storage's answer to an order that it is asked to keep.
 *
 * @category For authors of storages
 */
export type AcceptResult =
  | {
      /** It is kept now. */
      readonly status: 'accepted';
      /** See {@link StoredOrder.sequence}. */
      readonly sequence: number;
    }
  | {
      /** It is kept now, and is processed by the owner of its partition: see {@link SharedOrders}. */
      readonly status: 'kept';
      /** See {@link StoredOrder.sequence}. */
      readonly sequence: number;
    }
  | {
      /** Its id is taken; nothing was changed. */
      readonly status: 'known';
      /** The order that has it. */
      readonly order: StoredOrder;
    }
  | FailedResult;

/**
 * A storage's answer to an order that it can never keep or settle. The other orders of the call are not affected.
 *
 * @category For authors of storages
 */
export interface FailedResult {
  /** The order failed by itself; nothing was changed for it. */
  readonly status: 'failed';
  /** Why; the `cause` of the `storage_failed` that its caller gets. */
  readonly error: unknown;
}

/**
 * An order with its outcome.
 *
 * @category For authors of storages
 */
export interface Settlement extends NewOrder, LaneSettlement {
  /**
   * What is to be applied, in minor units: what was ordered, or of a completed order what a step said, between 0 and
   * that.
   */
  readonly amount: number;
  /** What was ordered, in minor units; to be kept. What is refused, or does not complete, is recorded with it as `amount`. */
  readonly orderedAmount: number;
  /**
   * The credits to be applied with it; of a completed order what a step said, each between 0 and what was ordered. What
   * was ordered is to be kept, too, and is recorded of what is refused.
   */
  readonly postings: readonly FinalPosting[];
  /** Whether a call of `accept` has kept it; if not, the order is new to the storage. */
  readonly isAccepted: boolean;
  /** The amount of a completed order is applied. If the storage refuses it, the order has failed. */
  readonly outcome: 'completed' | 'failed' | 'canceled';
  /** Why it failed or was canceled; the storage keeps `code`, `message` and `retryable`. */
  readonly error: OrderError | undefined;
  /** The cause of the error, if there is one; the storage keeps it. */
  readonly cause?: OrderCause | undefined;
  /** The results of its steps; the storage keeps them. */
  readonly steps: readonly StepResult[];
  /** What its steps have returned, by name; to be kept, even if it did not complete. JSON, if `payloads` is `'json'`. */
  readonly results: StepValues;
  /** When its processing began, in Unix milliseconds; `undefined` if it never did. */
  readonly startedAt: number | undefined;
  /** When it was decided, in Unix milliseconds. */
  readonly settledAt: number;
  /** The least balance that a debit may leave, in minor units; `undefined` for none. */
  readonly minBalance: number | undefined;
  /** If the amount is refused, the order is left unsettled: it comes again when its steps have been compensated. */
  readonly isCompensable: boolean;
  /**
   * The outcome, `failed` or `canceled`, is certain, but a step still runs or has to be compensated. The storage notes
   * the outcome as `decided` and leaves the order unsettled. The order comes again.
   */
  readonly isProvisional: boolean;
  /**
   * The order's {@link StoredOrder.sequence}, if the storage has given it before, in `accept` or by {@link
   * OrderStorage.nextSequence}. 0 or `undefined` if the storage gives it now.
   */
  readonly sequence?: number | undefined;
}

/**
 * A storage's answer to a settlement.
 *
 * @category For authors of storages
 */
export type SettlementResult =
  | {
      /** It is recorded. */
      readonly status: 'settled';
      /** Of a completed order: the balance right after it, in minor units. */
      readonly balance: number | undefined;
      /** Of a completed order with postings: the balance of each posting's user right after it, in their order. */
      readonly balances?: readonly number[] | undefined;
    }
  | {
      /** The amount and the postings were not applied. Unless the order is compensable, it is recorded as failed. */
      readonly status: 'refused';
      /** Why. */
      readonly code: 'insufficient_funds' | 'balance_overflow';
    }
  | {
      /** The order was settled before, or the id of one that was not accepted is taken. Nothing changed. */
      readonly status: 'known';
      /** The order that has the id. */
      readonly order: StoredOrder;
    }
  | {
      /** The processor owns the orders of the call no longer; nothing of the call was done: see {@link SharedOrders}. */
      readonly status: 'lost';
    }
  | FailedResult;

/**
 * What steps of an accepted order have returned that are not to be run again.
 *
 * @category For authors of storages
 */
export interface RememberedOrder {
  /** The order's id. */
  readonly id: string;
  /** Whose order it is. */
  readonly userId: string;
  /** The order's {@link StoredOrder.sequence}. */
  readonly sequence: number;
  /** All that are remembered by now, in the order in which they finished. */
  readonly steps: readonly RememberedStep[];
}

/**
 * A storage's answer to what it was given to remember.
 *
 * @category For authors of storages
 */
export type RememberResult =
  | {
      /** It is kept now; or the order is settled, or not there, and nothing was changed. */
      readonly status: 'remembered';
    }
  | {
      /** The processor owns the orders of the call no longer; nothing of the call was done: see {@link SharedOrders}. */
      readonly status: 'lost';
    }
  | FailedResult;

/**
 * A storage that keeps orders beside balances, so that one transaction holds an outcome and its
 * balance, and an accepted order outlives the process unless it says that it `isVolatile`.
 *
 * 1. `accept` keeps orders in the order given, all or none, and answers one result for each. When it has answered,
 *    they are as durable as the storage promises.
 * 2. An id belongs to the order that came first, in an earlier call or in the same one. For another order with that
 *    id nothing is changed, and the answer is the order that has it. The processor finds out whether it is the same
 *    order or a conflict.
 * 3. `settle` treats the settlements in the order given, in one transaction, all or none, and answers one result
 *    for each. An order is settled at most once: if it comes again, the answer is `known`.
 * 4. A completed order's amount and its postings are applied as `BalanceStorage.apply` does (its rules 3 and 7),
 *    seeing what the settlements before it in the call have left. If they are refused, the order is recorded as failed with the refusal's code; a
 *    compensable one stays as it was.
 * 5. A provisional settlement is noted in `decided`, and replaces an earlier note. The order stays unsettled; the
 *    answer is `settled`, without a balance. For an order that was settled before, the answer is `known`.
 * 6. A call that throws or rejects has done all of its work or nothing. The processor makes it again with the same
 *    orders, perhaps among others, and the answers of rules 2 and 3 say what had been done. If one order alone
 *    would fail each time, for example because a row of its user cannot be read, the call should not fail: answer
 *    that order with `failed`, and treat the others. If a whole call of `settle` fails and the storage works (rule
 *    7), the processor looks for such an order by smaller calls, and lets it wait alone.
 * 7. An `accept` of no orders asks whether the storage works: it rejects if the storage could keep no order now.
 * 8. The processor has at most one `accept` of orders and one `settle` under way, and makes other calls beside
 *    them, an `accept` of no orders too. `get`, `find`, `list`, `unsettled` and `due` see all calls that were
 *    answered before.
 * 9. `unsettled` gives the unsettled orders in the order of their acceptance, a page at a time, as the storage was
 *    when it was called or later; it must not hold them all in memory. It leaves out orders whose `notBefore` is
 *    above the time that it is given.
 * 10. `list` gives orders from the greatest `sequence` to the least, at most `limit`. It may end a page early, even
 *    without an order: at `maxBytes`, or to bound how many orders it looks at. `next` then says where to go on;
 *    each page goes on further, and the last one has no `next`. Times are filters and no order.
 * 11. `apply` settles as if each change were a completed order without steps that was never accepted; for an id
 *    that completed before, it answers that order's balance.
 * 12. After `close` every call rejects.
 * 13. The storage gives each order its `sequence` when it first keeps it: in `accept`, and in `settle` and `apply`
 *    for an order that was not accepted. The sequence follows the order of the calls, and of the orders in a call,
 *    even if the times do not. A number is not given again, even if its order was deleted. If the storage
 *    `isVolatile`, an order that comes with its settlement has the number that `nextSequence` gave.
 * 14. It keeps the holds of lanes as {@link HoldStorage} says.
 * 15. `due` gives unsettled orders that have a `notBefore`, by `notBefore` and then by `sequence`, from a place on; it
 *    must not read those that it does not give. `delayed` counts them.
 * 16. `remember` replaces what is remembered of the steps of accepted, unsettled orders, all or none, and answers one
 *    result for each. When it has answered, that is as durable as the storage promises. `StoredOrder.remembered` gives it
 *    until the order is settled. Of an order that is settled or not there, nothing is changed.
 * 17. It keeps an order's `retryOf`. When it first keeps the order, in `accept` or with its settlement, it sets
 *    `retriedAs` of the order that has that id, in the same transaction, if it has that order, and not a later one.
 * 18. Where it has `balances`, that lists each user with a balance once.
 * 19. It keeps an order's `traceContext`, settled or not. One that comes with a known id changes nothing.
 *
 * Methods may answer at once or with a promise.
 *
 * @category Storages
 */
export interface OrderStorage extends BalanceStorage, HistoryStorage, HoldStorage, SharedStorage {
  /**
   * `'json'` if payloads come back as JSON has them: the processor then refuses orders whose payload is not JSON. Any
   * value by default.
   */
  readonly payloads?: 'any' | 'json';
  /**
   * Whether its orders end with the process. The processor then hands each order over when it is settled, and not
   * before: it calls neither `accept` nor `unsettled`, `due` and `delayed`. `find` must answer at once, and never with a promise: it says
   * whether an id is known. {@link OrderStorage.nextSequence} is needed. `false` by default.
   */
  readonly isVolatile?: boolean;
  /**
   * Reserves the next {@link StoredOrder.sequence} for an order that is accepted now and comes with its settlement, if
   * it comes at all. Called only if `isVolatile`, and required then.
   */
  nextSequence?(): number;
  /**
   * Keeps orders.
   *
   * @param orders - none or more
   */
  accept(orders: readonly NewOrder[]): Awaitable<readonly AcceptResult[]>;
  /**
   * Records outcomes and applies balances.
   *
   * @param settlements - one or more
   */
  settle(settlements: readonly Settlement[]): Awaitable<readonly SettlementResult[]>;
  /**
   * Keeps what steps of unsettled orders have returned, so that they are not run again after a restart. The processor has
   * at most one call of it under way, and makes it again if it throws or rejects.
   *
   * @param orders - one or more
   */
  remember(orders: readonly RememberedOrder[]): Awaitable<readonly RememberResult[]>;
  /**
   * Replaces the results of a settled order's steps: a step has ended after the settlement.
   *
   * @param id - the order's id; nothing happens if it is not settled
   * @param steps - as they are now
   */
  amend(id: string, steps: readonly StepResult[]): FencedWrite;
  /**
   * The order that has this id, unsettled or settled, as long as the storage keeps it.
   *
   * @param id - any order's id
   */
  find(id: string): Awaitable<StoredOrder | undefined>;
  /**
   * One page of orders.
   *
   * @param query - which
   */
  list(query: StoredOrderQuery): Awaitable<StoredOrderPage>;
  /**
   * The unsettled orders, in pages; a page may be empty.
   *
   * @param upTo - without the orders whose `notBefore` is above this time, in Unix milliseconds; all orders by default
   */
  unsettled(upTo?: number): AsyncIterable<readonly StoredOrder[]>;
  /**
   * The next orders with a `notBefore`. Not called if several processors share the storage.
   *
   * @param query - which
   */
  due(query: DueQuery): Awaitable<DuePage>;
  /**
   * How many unsettled orders have a `notBefore` above a time. Not called if several processors share the storage.
   *
   * @param after - in Unix milliseconds
   */
  delayed(after: number): Awaitable<number>;
}
