import { checkInteger, checkOptions } from '../checks.ts';
import { noLabels } from '../order.ts';
import type { OrderOutcome, OrderRecord, StepResult } from '../outcome.ts';
import { noSteps } from '../outcome.ts';
import { receiptOf } from '../outcomes.ts';
import type { BalanceChange, BalanceResult, BalanceStorage } from './balance-storage.ts';
import type { Refusal, SettledFields, Times } from './order-storage.ts';
import { SettledOrders } from './settled-orders.ts';

/** The options of a {@link MemoryStorage}. */
export interface MemoryStorageOptions {
  /**
   * How many settled orders are remembered, for idempotency and for `order(id)`; the oldest is
   * forgotten first. An integer from 0 up, 100 000 by default (about 20 MB of short ids).
   */
  readonly retainSettled?: number | undefined;
}

/** How many settled orders are remembered by default. */
export const defaultRetainSettled = 100_000;

/**
 * Keeps balances and the last settled orders in memory: the default storage, as fast as a plain loop,
 * gone when the process ends. Give it to one processor at a time: two would not know of each other's
 * orders in flight.
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
export class MemoryStorage implements BalanceStorage {
  /** How many settled orders are remembered. */
  readonly retainSettled: number;
  readonly #balances = new Map<string, number>();
  readonly #settled: SettledOrders;

  /**
   * @param options - how much to remember
   * @throws TypeError or RangeError for an option that is unknown or out of range
   */
  constructor(options: MemoryStorageOptions = {}) {
    checkOptions('MemoryStorage', options, ['retainSettled']);
    const { retainSettled = defaultRetainSettled } = options;
    checkInteger('retainSettled', retainSettled, 0);
    this.retainSettled = retainSettled;
    this.#settled = new SettledOrders(retainSettled);
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
      const record = this.#settled.find(orderId);
      if (record?.balance !== undefined) return { balance: record.balance };
      const balance = this.change(userId, amount, minBalance);
      if (typeof balance === 'string') return { refused: balance };
      const fields = { id: orderId, userId, amount, payload: undefined };
      const order: SettledFields = {
        ...fields,
        priority: 'medium',
        labels: noLabels,
        content: undefined,
        hash: 0,
      };
      const now = Date.now();
      const times = { acceptedAt: now, startedAt: now, settledAt: now };
      // It may have failed before, which nothing was applied for.
      this.#settled.forget(orderId);
      this.#settled.remember(order, receiptOf(order, balance, times, noSteps), times);
      return { balance };
    });
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
  remember(order: SettledFields, outcome: OrderOutcome, times: Times): void {
    this.#settled.remember(order, outcome, times);
  }

  /** @internal */
  find(id: string): OrderRecord | undefined {
    return this.#settled.find(id);
  }

  /** @internal */
  contentOf(id: string): unknown {
    return this.#settled.contentOf(id);
  }

  /** @internal */
  amend(id: string, steps: readonly StepResult[]): void {
    this.#settled.amend(id, steps);
  }
}
