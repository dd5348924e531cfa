import type { OrderRecord } from '../order/outcome.ts';
import { refusals, refusedBy } from '../order/receipt.ts';
import type { StepResult } from '../order/step-result.ts';
import type { NewOrder, StoredOrder } from '../order/stored-order.ts';
import type { Awaitable } from '../runtime/awaitable.ts';
import { show } from '../runtime/thrown.ts';
import type { StorageSizes } from './balance-storage.ts';
import { balanceIn, sizesOf } from './host-balances.ts';
import type { BatchStorage, JournalStorage, LedgerSettlement, Settled } from './ledger.ts';
import { outcomeOf } from './ledger.ts';
import type {
  AcceptResult,
  OrderStorage,
  SettlementResult,
  StoredOrderPage,
  StoredOrderQuery,
} from './order-storage.ts';

/** A storage that keeps orders, as the core sees it. It believes nothing that it can check. */
export class OrderLedger implements BatchStorage, JournalStorage {
  readonly #storage: OrderStorage;
  readonly isJson: boolean;

  constructor(storage: OrderStorage) {
    this.#storage = storage;
    this.isJson = storage.payloads === 'json';
  }

  get journal(): this {
    return this;
  }

  get(userId: string): Awaitable<number | undefined> {
    return balanceIn(this.#storage, userId);
  }

  async accept(orders: readonly NewOrder[]): Promise<readonly AcceptResult[]> {
    const results = checkAll('accept', await this.#storage.accept(orders), orders.length);
    return results.map((result) => {
      if (result.status === 'failed') return result;
      if (result.status === 'accepted') {
        checkSequence('accept', result.sequence);
        return result;
      }
      return { status: result.status, order: completed(result.order) };
    });
  }

  async settle(settlements: readonly LedgerSettlement[]): Promise<readonly Settled[]> {
    const results = await this.#storage.settle(settlements);
    return checkAll('settle', results, settlements.length).map((result, at) =>
      toSettled(settlements[at] as LedgerSettlement, result),
    );
  }

  async amend(id: string, steps: readonly StepResult[]): Promise<void> {
    await this.#storage.amend(id, steps);
  }

  async find(id: string): Promise<StoredOrder | undefined> {
    const order = await this.#storage.find(id);
    return order && completed(order);
  }

  async list(query: StoredOrderQuery): Promise<StoredOrderPage> {
    const { orders, next } = checkPage(await this.#storage.list(query), query);
    return { orders: orders.map(completed), next };
  }

  /** Only the storage knows. */
  nextSequence(): number {
    return 0;
  }

  unsettled(): AsyncIterable<readonly StoredOrder[]> {
    return this.#storage.unsettled();
  }

  /** Only the storage knows, and it may take its time. */
  record(): OrderRecord | undefined {
    return undefined;
  }

  contentOf(): unknown {
    return undefined;
  }

  sizes(): StorageSizes | undefined {
    return sizesOf(this.#storage);
  }

  close(): Awaitable<void> {
    return this.#storage.close?.();
  }
}

function toSettled(settlement: LedgerSettlement, result: SettlementResult): Settled {
  if (result.status === 'known') return { known: completed(result.order) };
  if (result.status === 'failed') return { cause: result.error };
  if (result.status === 'refused') return refusedBy(result.code, settlement, settlement.steps);
  if (settlement.outcome !== 'completed') return outcomeOf(settlement, undefined);
  if (Number.isSafeInteger(result.balance)) return outcomeOf(settlement, result.balance);
  throw new TypeError(
    `Expected the storage's \`settle\` to give a safe integer as \`balance\`, got \`${show(result.balance)}\``,
  );
}

/** A storage that refused an amount keeps the code alone. */
function completed(order: StoredOrder): StoredOrder {
  if (order.message !== undefined || order.code === undefined) return order;
  const message = refusals[order.code as keyof typeof refusals] ?? '';
  return { ...order, message, retryable: order.retryable ?? false };
}

/** Pages that go on further each time come to an end. */
function checkPage(
  { orders, next }: StoredOrderPage,
  { before = Number.POSITIVE_INFINITY }: StoredOrderQuery,
): StoredOrderPage {
  let last = before;
  for (const { sequence } of orders) {
    checkSequence('list', sequence, last);
    last = sequence;
  }
  if (next === undefined) return { orders, next };
  checkSequence('list', next, before);
  if (next <= last) return { orders, next };
  throw new TypeError(
    `Expected \`next\` of the storage's \`list\` to be ${last} at most, got \`${next}\``,
  );
}

/** @param below - what it must be less than, since the orders come from the greatest to the least */
function checkSequence(method: string, sequence: number, below = Number.POSITIVE_INFINITY): void {
  if (Number.isSafeInteger(sequence) && sequence >= 1 && sequence < below) return;
  const form = below === Number.POSITIVE_INFINITY ? '' : ` below ${below}`;
  throw new TypeError(
    `Expected the storage's \`${method}\` to give an integer from 1 up${form} as sequence, got \`${show(sequence)}\``,
  );
}

function checkAll<T extends { readonly status: string }>(
  method: string,
  results: readonly T[],
  count: number,
): readonly T[] {
  const isWhole = Array.isArray(results) && results.length === count;
  if (isWhole && Array.from(results).every((result) => typeof result?.status === 'string')) {
    return results;
  }
  const got = Array.isArray(results) ? `${results.length}` : show(results);
  throw new TypeError(
    `Expected the storage's \`${method}\` to give ${count} results, got \`${got}\``,
  );
}
