import { type Keyed, keyOf } from '../../collections/id-hash.ts';
import { noLabels } from '../../order/order.ts';
import type { OrderError } from '../../order/order-error.ts';
import type { OrderOutcome, OrderRecord } from '../../order/outcome.ts';
import { receiptOf, refusedBy } from '../../order/receipt.ts';
import type { StepResult } from '../../order/step-result.ts';
import { noSteps } from '../../order/step-result.ts';
import type {
  NewOrder,
  Refusal,
  SettledFields,
  StoredOrder,
  Times,
} from '../../order/stored-order.ts';
import { checkInteger, checkOptions } from '../../runtime/checks.ts';
import type { BalanceChange, BalanceResult, BalanceStorage } from '../balance-storage.ts';
import { mergePages } from '../order-pages.ts';
import type {
  AcceptResult,
  OrderStorage,
  Settlement,
  SettlementResult,
  StoredOrderPage,
  StoredOrderQuery,
} from '../order-storage.ts';
import { SettledOrders } from './settled-orders.ts';
import { UnsettledOrders } from './unsettled-orders.ts';
import { UserBalances } from './user-balances.ts';

/** The options of a {@link MemoryStorage}. */
export interface MemoryStorageOptions {
  /**
   * How many settled orders are remembered, for idempotency and for `order(id)`; the oldest is
   * forgotten first. An integer from 0 up, 100 000 by default (about 20 MB of short ids).
   */
  readonly retainSettled?: number | undefined;
  /**
   * How much the payloads, labels and errors of settled orders, and ids that are long, may take in memory together,
   * in bytes, as they are estimated; the oldest that has any is forgotten first, and one that takes more at once.
   * An integer from 0 up, 67 108 864 (64 MiB) by default.
   */
  readonly retainBytes?: number | undefined;
}

/** How many settled orders are remembered by default. */
export const defaultRetainSettled = 100_000;

/** How many bytes of them by default. */
export const defaultRetainBytes = 67_108_864;

/**
 * Keeps balances and the last settled orders in memory: the default storage, as fast as a plain loop,
 * gone when the process ends. It has one processor at a time, which gives it back when it has shut down: two
 * would not know of each other's orders in flight. A settled order that it has forgotten is a new one when it comes again.
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
 */
export class MemoryStorage implements OrderStorage {
  /** How many settled orders are remembered. */
  readonly retainSettled: number;
  /** How many bytes of payloads, labels, errors and long ids are remembered with them. */
  readonly retainBytes: number;
  readonly #balances = new UserBalances();
  readonly #unsettled = new UnsettledOrders();
  readonly #settled: SettledOrders;
  /** Of the order that was accepted last. */
  #sequence = 0;

  /**
   * @param options - how much to remember
   * @throws TypeError or RangeError for an option that is unknown or out of range
   */
  constructor(options: MemoryStorageOptions = {}) {
    checkOptions('MemoryStorage', options, ['retainSettled', 'retainBytes']);
    const { retainSettled = defaultRetainSettled, retainBytes = defaultRetainBytes } = options;
    checkInteger('retainSettled', retainSettled, 0);
    checkInteger('retainBytes', retainBytes, 0);
    this.retainSettled = retainSettled;
    this.retainBytes = retainBytes;
    this.#settled = new SettledOrders(retainSettled, retainBytes);
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
    return changes.map(({ orderId, userId, amount, minBalance }) => {
      const key = keyOf(orderId);
      const record = this.#settled.find(key);
      if (record?.balance !== undefined) return { balance: record.balance };
      const balance = this.change(userId, amount, minBalance);
      if (typeof balance === 'string') return { refused: balance };
      const fields = { id: orderId, userId, amount, payload: undefined };
      const order: SettledFields = {
        ...fields,
        priority: 'medium',
        labels: noLabels,
        content: undefined,
        hash: key.hash,
      };
      const now = Date.now();
      const times = { acceptedAt: now, startedAt: now, settledAt: now };
      // It may have failed before, or not have been settled, which nothing was applied for.
      this.#settled.forget(key);
      const sequence = this.#unsettled.delete(orderId) ?? this.nextSequence();
      const outcome = receiptOf(order, balance, times, noSteps);
      this.#settled.remember(order, outcome, times, sequence);
      return { balance };
    });
  }

  /**
   * Keeps orders until they are settled; see {@link OrderStorage}.
   *
   * @param orders - none or more
   */
  accept(orders: readonly NewOrder[]): readonly AcceptResult[] {
    return orders.map((order) => {
      const known = this.find(order.id);
      if (known !== undefined) return { status: 'known', order: known };
      const sequence = this.nextSequence();
      this.#unsettled.add(order, sequence);
      return { status: 'accepted', sequence };
    });
  }

  /**
   * Records outcomes and applies balances; see {@link OrderStorage}. As everywhere, what failed as
   * `storage_failed` is not remembered, so that it may come again.
   *
   * @param settlements - one or more
   */
  settle(settlements: readonly Settlement[]): readonly SettlementResult[] {
    return settlements.map((settlement) => this.#settle(settlement));
  }

  #settle(order: Settlement): SettlementResult {
    const { id, outcome, isAccepted } = order;
    const known = isAccepted ? this.#settled.stored(id) : this.find(id);
    if (known !== undefined) return { status: 'known', order: known };
    if (order.isProvisional) {
      this.#unsettled.decide(order, () => this.nextSequence());
      return { status: 'settled', balance: undefined };
    }
    if (outcome !== 'completed') {
      this.#record(order, { status: outcome, error: order.error as OrderError });
      return { status: 'settled', balance: undefined };
    }
    const balance = this.change(order.userId, order.amount, order.minBalance);
    if (typeof balance === 'number') {
      this.#record(order, receiptOf(order, balance, order, order.steps));
      return { status: 'settled', balance };
    }
    if (!order.isCompensable) this.#record(order, refusedBy(balance, order, order.steps));
    return { status: 'refused', code: balance };
  }

  #record(order: Settlement, outcome: OrderOutcome): void {
    const { id, userId, amount, priority, payload, labels, content, cause } = order;
    const sequence = this.#unsettled.delete(id) ?? this.nextSequence();
    // Named one by one, since a field may be a getter of its class.
    const fields = { id, userId, amount, priority, payload, labels, content, cause, hash: 0 };
    this.#settled.remember(fields, outcome, order, sequence);
    // Of an order that did not complete, the error's own are remembered.
    if (outcome.status !== 'completed') this.#settled.amend(id, order.steps);
  }

  /**
   * Replaces the results of a settled order's steps.
   *
   * @param id - the order's id; nothing happens if it is not remembered
   * @param steps - as they are now
   */
  amend(id: string, steps: readonly StepResult[]): void {
    this.#settled.amend(id, steps);
  }

  /**
   * The order that has this id, unsettled or still remembered.
   *
   * @param id - any order's id
   */
  find(id: string): StoredOrder | undefined {
    return this.#unsettled.find(id) ?? this.#settled.stored(id);
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
   * the opening of a durable storage does: each raises their `attempt` by one.
   */
  unsettled(): AsyncIterable<readonly StoredOrder[]> {
    return this.#unsettled.reopen();
  }

  /** @internal */
  change(userId: string, amount: number, minBalance: number | undefined): number | Refusal {
    const balance = (this.#balances.get(userId) ?? 0) + amount;
    if (!Number.isSafeInteger(balance)) return 'balance_overflow';
    if (minBalance !== undefined && amount < 0 && balance < minBalance) return 'insufficient_funds';
    this.#balances.set(userId, balance);
    return balance;
  }

  /** @internal */
  remember(order: SettledFields, outcome: OrderOutcome, times: Times, sequence: number): void {
    this.#settled.remember(order, outcome, times, sequence);
  }

  /** @internal */
  nextSequence(): number {
    this.#sequence += 1;
    return this.#sequence;
  }

  /** @internal */
  record(key: Keyed): OrderRecord | undefined {
    return this.#settled.find(key);
  }

  /** @internal */
  contentOf(key: Keyed): unknown {
    return this.#settled.contentOf(key);
  }
}
