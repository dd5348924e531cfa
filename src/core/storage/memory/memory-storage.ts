import { noPostings } from '../../order/order.ts';
import { OrderError } from '../../order/order-error.ts';
import { refusals } from '../../order/receipt.ts';
import type { StepResult } from '../../order/step-result.ts';
import type { NewOrder, Refusal, StoredOrder } from '../../order/stored-order.ts';
import { checkInteger } from '../../runtime/checks.ts';
import type { BalanceChange, BalanceResult, BalanceStorage } from '../balance-storage.ts';
import type { DuePage, DueQuery } from '../due/due-orders.ts';
import type {
  PastBalance,
  SettledPage,
  SettledQuery,
  StoredBalance,
  StoredBalanceQuery,
  StoredMovementPage,
  StoredMovementQuery,
} from '../history/history-storage.ts';
import type { RetriedOrder, StoredHold, StoredHoldQuery } from '../holds/hold.ts';
import { MemoryHolds } from '../holds/memory-holds.ts';
import { mergePages } from '../lists/order-pages.ts';
import type { StoredOrderPage, StoredOrderQuery } from '../lists/stored-order-page.ts';
import type {
  AcceptResult,
  OrderStorage,
  RememberedOrder,
  RememberResult,
  Settlement,
  SettlementResult,
} from '../order-storage.ts';
import { appliedBefore, appliedChange } from './applied-change.ts';
import { type MemoryStorageOptions, readMemoryOptions } from './memory-options.ts';
import type { Remembered } from './settled-columns.ts';
import { SettledHistory } from './settled-history.ts';
import { SettledOrders } from './settled-orders.ts';
import { UnsettledOrders } from './unsettled-orders.ts';
import { UserBalances } from './user-balances.ts';

const settledWithoutBalance: SettlementResult = Object.freeze({
  status: 'settled',
  balance: undefined,
});

/**
 * Keeps balances and the last settled orders in memory: the default storage and the fastest one,
 * gone when the process ends. It has one processor at a time, until that has shut down: two processors would not know
 * each other's orders in flight. A settled order that it has forgotten is a new one when it comes again.
 *
 * @example
 * ```ts
 * import { MemoryStorage, OrderProcessor } from 'order-processor';
 *
 * const storage = new MemoryStorage({ retainSettled: 1_000 });
 * await using processor = new OrderProcessor({ storage });
 * await processor.submit({ id: 'o-1', userId: 'u-1', amount: 1200 });
 * await processor.submit({ id: 'o-1', userId: 'u-1', amount: 1200 }); // the same order, not a second
 * console.log(storage.get('u-1')); // prints: 1200
 * ```
 *
 * @category Storages
 */
export class MemoryStorage implements OrderStorage {
  /**
   * Whether its orders end with the process: `true`. The processor then hands an order over when it is settled, and
   * keeps the orders in flight itself. A subclass that makes orders outlive the process says `false`.
   */
  readonly isVolatile: boolean = true;
  /** What it is, for traces. */
  readonly kind: string = 'memory';
  /** Changes may have postings: always `true`. */
  readonly appliesPostings = true;
  /** How many settled orders are remembered. */
  readonly retainSettled: number;
  /** How many bytes of payloads, labels, errors and long ids are remembered with them. */
  readonly retainBytes: number;
  readonly #balances = new UserBalances();
  readonly #unsettled = new UnsettledOrders();
  readonly #settled: SettledOrders;
  readonly #history: SettledHistory;
  readonly #holds = new MemoryHolds();
  /** The sequence of the order that was accepted last. */
  #sequence = 0;

  /**
   * @param options - how much to remember
   * @throws TypeError or RangeError for an option that is unknown or out of range
   */
  constructor(options: MemoryStorageOptions = {}) {
    const { retainSettled, retainBytes } = readMemoryOptions(options);
    this.retainSettled = retainSettled;
    this.retainBytes = retainBytes;
    this.#settled = new SettledOrders(retainSettled, retainBytes);
    this.#history = new SettledHistory(this.#settled, (userId) => this.#balances.get(userId));
  }

  /**
   * The user's balance in minor units, or `undefined` if the user has never had one.
   *
   * @param userId - any accepted order's `userId`
   */
  get(userId: string): number | undefined {
    return this.#balances.get(userId);
  }

  /**
   * Applies changes outside a processor, to set opening balances for example. An id that was applied
   * before, within `retainSettled`, is not applied again.
   *
   * @param changes - see {@link BalanceStorage}
   */
  apply(changes: readonly BalanceChange[]): readonly BalanceResult[] {
    return changes.map((change) => this.#apply(change));
  }

  #apply(change: BalanceChange): BalanceResult {
    const { orderId: id, userId, amount, minBalance, postings = noPostings } = change;
    const known = this.#settled.find(id);
    if (known?.balance !== undefined) return appliedBefore(known);
    const balance = this.#balances.afterChange(userId, amount, minBalance);
    if (typeof balance === 'string') return { refused: balance };
    const balances = this.#balances.after(postings);
    if (balances === undefined) return { refused: 'balance_overflow' };
    // Its id may belong to an order that failed or is unsettled, for which nothing was applied.
    this.#settled.forget(id);
    const sequence = this.#unsettled.delete(id) ?? this.nextSequence();
    this.#complete(appliedChange(change), balance, sequence, balances);
    return balances === noPostings ? { balance } : { balance, balances };
  }

  /** Keeps orders until they are settled; see {@link OrderStorage}. */
  accept(orders: readonly NewOrder[]): readonly AcceptResult[] {
    return orders.map((order) => {
      const known = this.find(order.id);
      if (known !== undefined) return { status: 'known', order: known };
      const sequence = this.nextSequence();
      this.#unsettled.add(order, sequence);
      if (order.retryOf !== undefined) this.#settled.retried(order.retryOf, order.id, sequence);
      return { status: 'accepted', sequence };
    });
  }

  /**
   * Records outcomes and applies balances; see {@link OrderStorage}. As everywhere, an order that failed with
   * `storage_failed` is not remembered, so that it may come again.
   *
   * @param settlements - one or more
   */
  settle(settlements: readonly Settlement[]): readonly SettlementResult[] {
    return settlements.map((settlement) => this.#settle(settlement));
  }

  #settle(order: Settlement): SettlementResult {
    const { id, userId, outcome, isAccepted } = order;
    const known = this.#settled.find(id) ?? (isAccepted ? undefined : this.#unsettled.find(id));
    if (known !== undefined) return { status: 'known', order: known };
    if (order.isProvisional) {
      this.#unsettled.decide(order, () => this.nextSequence());
      return settledWithoutBalance;
    }
    if (outcome !== 'completed') {
      if (order.endsHold) this.#holds.settled(userId, id);
      this.#settled.remember(order, undefined, order.error, this.#sequenceOf(order), outcome);
      return settledWithoutBalance;
    }
    const balance = this.#balances.afterChange(userId, order.amount, order.minBalance);
    if (typeof balance === 'string') return this.#refuse(order, balance);
    const balances = this.#balances.after(order.postings);
    if (balances === undefined) return this.#refuse(order, 'balance_overflow');
    this.#complete(order, balance, this.#sequenceOf(order), balances);
    const status = 'settled';
    return balances === noPostings ? { status, balance } : { status, balance, balances };
  }

  /** Applies and remembers, or throws and does neither: memory may be exhausted. */
  #complete(
    order: Remembered,
    balance: number,
    sequence: number,
    balances: readonly number[],
  ): void {
    const { userId, amount, postings } = order;
    this.#balances.set(userId, balance);
    try {
      this.#balances.setAll(postings, balances);
      this.#settled.remember(order, balance, undefined, sequence, 'completed', balances);
    } catch (cause) {
      this.#balances.set(userId, balance - amount);
      this.#balances.setBack(postings, balances);
      throw cause;
    }
  }

  #refuse(order: Settlement, code: Refusal): SettlementResult {
    if (!order.isCompensable) {
      const error = new OrderError(code, refusals[code]);
      this.#settled.remember(order, undefined, error, this.#sequenceOf(order));
    }
    return { status: 'refused', code };
  }

  /** The sequence of a settled order: an accepted order has one, another may bring it. */
  #sequenceOf({ id, sequence }: Settlement): number {
    return this.#unsettled.delete(id) ?? (sequence || this.nextSequence());
  }

  /** Keeps what steps of unsettled orders have returned; see {@link OrderStorage.remember}. */
  remember(orders: readonly RememberedOrder[]): readonly RememberResult[] {
    return orders.map((order) => this.#unsettled.remember(order));
  }

  /** Replaces the results of a settled order's steps, if it is remembered; see {@link OrderStorage.amend}. */
  amend(id: string, steps: readonly StepResult[]): void {
    this.#settled.amend(id, steps);
  }

  /** The order that has this id, unsettled or still remembered. */
  find(id: string): StoredOrder | undefined {
    return this.#unsettled.find(id) ?? this.#settled.find(id);
  }

  /**
   * One page of orders, the one accepted last first; see {@link OrderStorage}. There is no index by user or
   * status: a call looks at some 4 000 settled orders and at every unsettled one, and then ends the page.
   *
   * @param query - which
   * @throws TypeError or RangeError for a `limit` that is no integer from 1 up
   */
  list(query: StoredOrderQuery): StoredOrderPage {
    checkInteger('limit', query.limit, 1);
    return mergePages(this.#unsettled.list(query), this.#settled.list(query), query.limit);
  }

  /**
   * The orders that are unsettled at this call, in the order of their acceptance. The call counts as
   * the opening of a durable storage does: each raises their `attempt` by one. See {@link OrderStorage.unsettled}.
   */
  unsettled(upTo?: number): AsyncIterable<readonly StoredOrder[]> {
    return this.#unsettled.reopen(upTo);
  }

  /** The next delayed orders; see {@link OrderStorage.due}. */
  due(query: DueQuery): DuePage {
    return this.#unsettled.due(query);
  }

  /** How many orders are delayed beyond a time; see {@link OrderStorage.delayed}. */
  delayed(after: number): number {
    return this.#unsettled.delayed(after);
  }

  /** Keeps a hold; see {@link OrderStorage.hold}. The next processor of this storage finds it. */
  hold(hold: StoredHold): void {
    this.#holds.hold(hold);
  }

  /** Ends the hold of a user; see {@link OrderStorage.release}. */
  release(userId: string, retried?: RetriedOrder): void {
    this.#holds.release(userId);
    if (retried !== undefined) this.#unsettled.tryAgain(retried);
  }

  /** One page of holds, by the code units of the user ids; see {@link OrderStorage.holds}. */
  holds(query: StoredHoldQuery): readonly StoredHold[] {
    return this.#holds.holds(query);
  }

  /** Identifies this storage: another one has another. */
  get id(): string {
    return this.#history.id;
  }

  /** One page of settled orders; see {@link OrderStorage}. It looks at some 4 000. */
  settled(query: SettledQuery): SettledPage {
    return this.#history.settled(query);
  }

  /** One page of a user's movements; see {@link OrderStorage}. It looks at some 4 000 settled orders of all users. */
  movements(query: StoredMovementQuery): StoredMovementPage {
    return this.#history.movements(query);
  }

  /** What a user's balance was; see {@link OrderStorage}. It looks at all settled orders since then, and maybe at all. */
  balanceAt(userId: string, time: number): PastBalance {
    return this.#history.balanceAt(userId, time);
  }

  /** One page of balances, in the order in which users first had one; see {@link OrderStorage.balances}. */
  balances(query: StoredBalanceQuery): readonly StoredBalance[] {
    return this.#balances.page(query, this.#history.knownFrom);
  }

  /** Recomputes the balances from the movements that are remembered: what differs, for people; empty if nothing does. */
  check(): readonly string[] {
    return this.#history.problems();
  }

  /** Reserves the place of an order that is accepted now and comes with its settlement; see {@link OrderStorage}. */
  nextSequence(): number {
    return ++this.#sequence;
  }
}
