import type { OrderStatus } from '../core/order/outcome.ts';
import type { NewOrder } from '../core/order/stored-order.ts';
import type { StoredOrderQuery } from '../core/storage/lists/stored-order-page.ts';
import type { Settlement, SettlementResult } from '../core/storage/order-storage.ts';
import { type ExpectedOrder, pendingOrder, settledOrder } from './orders.ts';

/** What a call of `accept` or `settle` is expected to answer to an order whose id is taken. */
export interface ExpectedKnown {
  readonly status: 'known';
  readonly order: ExpectedOrder;
}

/** What every storage does, written as simply as possible, and slow. */
export class Model {
  readonly balances = new Map<string, number>();
  /** In the order in which they came. */
  readonly orders = new Map<string, ExpectedOrder>();
  /** The ids of settled orders, in the order in which they were settled. */
  readonly settled: string[] = [];
  /** The changes of balances, in the order applied: id of the order, user, balance after it. */
  readonly movements: (readonly [orderId: string, userId: string, balance: number])[] = [];

  accept(order: NewOrder): { readonly status: 'accepted' } | ExpectedKnown {
    const known = this.orders.get(order.id);
    if (known !== undefined) return { status: 'known', order: known };
    this.orders.set(order.id, pendingOrder(order));
    return { status: 'accepted' };
  }

  settle(settlement: Settlement): Exclude<SettlementResult, { status: 'known' }> | ExpectedKnown {
    const known = this.orders.get(settlement.id);
    if (known !== undefined && (known.status !== 'pending' || !settlement.isAccepted)) {
      return { status: 'known', order: known };
    }
    const { id, userId, amount, outcome, error, minBalance } = settlement;
    if (settlement.isProvisional && outcome !== 'completed' && error !== undefined) {
      const { code, message, retryable } = error;
      const decided = { outcome, code, message, retryable, cause: settlement.cause };
      this.orders.set(id, pendingOrder(settlement, decided));
      return { status: 'settled', balance: undefined };
    }
    const balance = (this.balances.get(userId) ?? 0) + amount;
    if (outcome !== 'completed') return this.#record(settlement, undefined);
    if (!Number.isSafeInteger(balance)) return this.#refuse(settlement, 'balance_overflow');
    if (amount < 0 && minBalance !== undefined && balance < minBalance) {
      return this.#refuse(settlement, 'insufficient_funds');
    }
    const balances = settlement.postings.map(
      (posting) => (this.balances.get(posting.userId) ?? 0) + posting.amount,
    );
    if (!balances.every(Number.isSafeInteger)) return this.#refuse(settlement, 'balance_overflow');
    this.balances.set(userId, balance);
    this.movements.push([id, userId, balance]);
    for (const [at, posting] of settlement.postings.entries()) {
      this.balances.set(posting.userId, balances[at] as number);
      this.movements.push([id, posting.userId, balances[at] as number]);
    }
    return this.#record(settlement, balance, balances);
  }

  /** @param before - the id of the order that the list begins behind */
  list(query: Omit<StoredOrderQuery, 'before'>, before?: string): ExpectedOrder[] {
    const { userId, status, acceptedFrom = 0, acceptedBefore = Number.POSITIVE_INFINITY } = query;
    // A `Map` keeps the place of what is set again.
    const all = [...this.orders.values()].reverse();
    const behind = all.slice(all.findIndex(({ id }) => id === before) + 1);
    const orders = behind.filter(
      (order) =>
        (userId === undefined || order.userId === userId) &&
        (status === undefined || order.status === status) &&
        order.acceptedAt >= acceptedFrom &&
        order.acceptedAt < acceptedBefore,
    );
    return orders.slice(0, query.limit);
  }

  unsettled(): ExpectedOrder[] {
    return [...this.orders.values()].filter(({ status }) => status === 'pending');
  }

  #record(settlement: Settlement, balance: number | undefined, balances: readonly number[] = []) {
    const result =
      balances.length === 0
        ? ({ status: 'settled', balance } as const)
        : ({ status: 'settled', balance, balances } as const);
    this.orders.set(settlement.id, settledOrder(settlement, result));
    this.settled.push(settlement.id);
    return result;
  }

  #refuse(settlement: Settlement, code: 'insufficient_funds' | 'balance_overflow') {
    const result = { status: 'refused', code } as const;
    if (!settlement.isCompensable) {
      this.orders.set(settlement.id, settledOrder(settlement, result));
      this.settled.push(settlement.id);
    }
    return result;
  }
}

/** Statuses by which orders can be listed. */
export const statuses: readonly Exclude<OrderStatus, 'processing'>[] = [
  'pending',
  'completed',
  'failed',
  'canceled',
];
