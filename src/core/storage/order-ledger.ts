import type { StepResult } from '../order/step-result.ts';
import type { NewOrder, StoredOrder } from '../order/stored-order.ts';
import type { Awaitable } from '../runtime/awaitable.ts';
import { checkMethods } from '../runtime/checks.ts';
import { show } from '../runtime/thrown.ts';
import type { StorageSizes } from './balance-storage.ts';
import { checkDuePage, type DuePage, type DueQuery } from './due/due-orders.ts';
import type { HistoryStorage } from './history/history-storage.ts';
import { CheckedHolds } from './holds/checked-holds.ts';
import type { HoldStorage } from './holds/hold.ts';
import { balanceIn, clusterOf, sizesOf } from './host-balances.ts';
import type {
  JournalStorage,
  KeepInTransaction,
  Ledger,
  LedgerSettlement,
  Settled,
} from './ledger.ts';
import type { StoredOrderPage, StoredOrderQuery } from './lists/stored-order-page.ts';
import {
  checkAccepted,
  checkAll,
  checkPage,
  checkSequence,
  settledOf,
  withMessage,
} from './order-answers.ts';
import type {
  AcceptResult,
  OrderStorage,
  RememberedOrder,
  RememberResult,
} from './order-storage.ts';
import type { TransactionClient, TransactionResult } from './order-transaction.ts';
import type { ClusterStats, SharedOrders, SharedPage } from './shared-storage.ts';

const sharedMethods = [
  ...['join', 'orders', 'watch', 'cancel', 'follow', 'leave'],
  ...['request', 'begin', 'answer', 'holdsOf', 'holdOf'],
] as const;

/** A storage whose orders outlive the process. It gets each order when it is accepted. */
export class OrderLedger implements Ledger, JournalStorage {
  readonly isVolatile = false;
  readonly appliesPostings = true;
  readonly holds: HoldStorage;
  readonly startedAt = Date.now();
  readonly #storage: OrderStorage;
  readonly isJson: boolean;
  readonly shared: SharedOrders | undefined;
  readonly mayBegin: (() => boolean) | undefined;

  constructor(storage: OrderStorage) {
    this.#storage = storage;
    this.isJson = storage.payloads === 'json';
    this.holds = new CheckedHolds(storage, this.isJson);
    this.shared = storage.shared;
    if (this.shared !== undefined) checkMethods('storage.shared', this.shared, sharedMethods);
    this.mayBegin = this.shared?.mayBegin?.bind(this.shared);
  }

  get journal(): this {
    return this;
  }

  get history(): HistoryStorage {
    return this.#storage;
  }

  get(userId: string): Awaitable<number | undefined> {
    return balanceIn(this.#storage, userId);
  }

  async accept(orders: readonly NewOrder[]): Promise<readonly AcceptResult[]> {
    const results = checkAll('accept', await this.#storage.accept(orders), orders.length);
    return results.map((result) => {
      if (result.status === 'failed') return result;
      if (result.status === 'accepted' || result.status === 'kept') {
        checkAccepted(result.status, this.shared !== undefined);
        checkSequence('accept', result.sequence);
        return result;
      }
      return { status: result.status, order: withMessage(result.order) };
    });
  }

  transaction(client: TransactionClient): KeepInTransaction | undefined {
    if (this.shared === undefined) return undefined;
    const transaction = this.#storage.transaction?.(client);
    if (transaction === undefined) return undefined;
    return async (order) => {
      const results = [await transaction.accept(order)];
      const [result] = checkAll('transaction', results, 1) as [TransactionResult];
      if (result.status === 'known') return { status: 'known', order: withMessage(result.order) };
      checkAccepted(result.status, true);
      checkSequence('transaction', result.sequence);
      return result;
    };
  }

  async settle(settlements: readonly LedgerSettlement[]): Promise<readonly Settled[]> {
    const results = await this.#storage.settle(settlements);
    return settledOf(settlements, results, this.shared !== undefined);
  }

  async remember(orders: readonly RememberedOrder[]): Promise<readonly RememberResult[]> {
    return checkAll('remember', await this.#storage.remember(orders), orders.length);
  }

  async amend(id: string, steps: readonly StepResult[]): Promise<'lost' | undefined> {
    return (await this.#storage.amend(id, steps)) === 'lost' ? 'lost' : undefined;
  }

  async find(id: string): Promise<StoredOrder | undefined> {
    const order = await this.#storage.find(id);
    return order && withMessage(order);
  }

  async list(query: StoredOrderQuery): Promise<StoredOrderPage> {
    const { orders, next } = checkPage(await this.#storage.list(query), query);
    return { orders: orders.map(withMessage), next };
  }

  /** Only the storage knows. */
  nextSequence(): number {
    return 0;
  }

  unsettled(): AsyncIterable<SharedPage> {
    return this.shared === undefined ? this.#unsettled() : this.shared.orders();
  }

  async due(query: DueQuery): Promise<DuePage> {
    const { orders, next } = checkDuePage(await this.#storage.due(query), query);
    return { orders: orders.map(withMessage), next };
  }

  async delayed(after: number): Promise<number> {
    const count = await this.#storage.delayed(after);
    if (Number.isSafeInteger(count) && count >= 0) return count;
    throw new TypeError(
      `Expected the storage's \`delayed\` to give a count, got \`${show(count)}\``,
    );
  }

  /** What only one processor has comes to an end. */
  async *#unsettled(): AsyncIterable<SharedPage> {
    for await (const orders of this.#storage.unsettled(this.startedAt)) yield { orders };
    yield { orders: [], isCaughtUp: true };
  }

  /** Only the storage knows, and may answer late. */
  record(): undefined {
    return undefined;
  }

  sizes(): StorageSizes | undefined {
    return sizesOf(this.#storage);
  }

  cluster(): ClusterStats | undefined {
    return clusterOf(this.shared);
  }

  close(): Awaitable<void> {
    return this.#storage.close?.();
  }
}
