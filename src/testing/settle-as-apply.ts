import type { StoredOrder } from '../core/order/stored-order.ts';
import type {
  BalanceChange,
  BalanceResult,
  BalanceStorage,
} from '../core/storage/balance-storage.ts';
import type { OrderStorage, SettlementResult } from '../core/storage/order-storage.ts';
import { newOrder, settlementOf } from './orders.ts';

/**
 * Makes a balance storage of an order storage: changes are settled as completed orders. The rules of the former must
 * hold for it.
 */
export class SettlingBalances implements BalanceStorage {
  readonly #storage: OrderStorage;
  readonly #isAccepted: boolean;

  /** @param isAccepted - whether the orders are accepted first */
  constructor(storage: OrderStorage, isAccepted: boolean) {
    this.#storage = storage;
    this.#isAccepted = isAccepted;
  }

  get(userId: string): ReturnType<BalanceStorage['get']> {
    return this.#storage.get(userId);
  }

  async apply(changes: readonly BalanceChange[]): Promise<readonly BalanceResult[]> {
    const settlements = changes.map(({ orderId, userId, amount, minBalance }) =>
      settlementOf(newOrder(orderId, { userId, amount }), {
        minBalance,
        isAccepted: this.#isAccepted,
      }),
    );
    if (this.#isAccepted) await this.#storage.accept(settlements);
    return (await this.#storage.settle(settlements)).map(toResult);
  }
}

function toResult(result: SettlementResult): BalanceResult {
  if (result.status === 'refused') return { refused: result.code };
  const { balance, code } = (result.status === 'known' ? result.order : result) as StoredOrder;
  return balance === undefined ? { refused: code as 'insufficient_funds' } : { balance };
}
