import { type Awaitable, asPromise, isThenable } from '../awaitable.ts';
import { checkInteger } from '../checks.ts';
import { show } from '../errors.ts';
import type { OrderOutcome, OrderRecord, StepResult } from '../outcome.ts';
import { outcomeOf } from '../outcomes.ts';
import type { BalanceChange, BalanceResult, BalanceStorage } from './balance-storage.ts';
import { defaultRetainSettled, MemoryStorage } from './memory.ts';
import type { BatchStorage, OrderStorage, Settlement, SettleResult } from './order-storage.ts';
import { SettledOrders } from './settled-orders.ts';

/**
 * A host's own balance storage, with the last settled orders remembered beside it: the core then has
 * one way for all storages. It believes nothing that it can check.
 */
class RememberingStorage implements BatchStorage {
  readonly #storage: BalanceStorage;
  readonly #settled: SettledOrders;

  constructor(storage: BalanceStorage) {
    const { retainSettled = defaultRetainSettled } = storage;
    checkInteger('storage.retainSettled', retainSettled, 0);
    this.#storage = storage;
    this.#settled = new SettledOrders(retainSettled);
  }

  get(userId: string): Awaitable<number | undefined> {
    const balance = this.#storage.get(userId);
    return isThenable(balance) ? asPromise(balance).then(checkBalance) : checkBalance(balance);
  }

  settle(settlements: readonly Settlement[]): Awaitable<readonly OrderOutcome[]> {
    const completed = settlements.filter(isCompleted);
    const count = completed.length;
    // What changes no balance does not depend on whether the storage works.
    for (const order of settlements) if (!isCompleted(order)) this.#record(order, undefined);
    if (count === 0) return this.#outcomes(settlements, []);
    const results = this.#storage.apply(completed.map(toChange));
    return isThenable(results)
      ? asPromise(results).then((late) => this.#outcomes(settlements, checkResults(late, count)))
      : this.#outcomes(settlements, checkResults(results, count));
  }

  find(id: string): OrderRecord | undefined {
    return this.#settled.find(id);
  }

  contentOf(id: string): unknown {
    return this.#settled.contentOf(id);
  }

  amend(id: string, steps: readonly StepResult[]): void {
    this.#settled.amend(id, steps);
  }

  close(): Awaitable<void> {
    return this.#storage.close?.();
  }

  #outcomes(
    settlements: readonly Settlement[],
    results: readonly SettleResult[],
  ): readonly OrderOutcome[] {
    let next = 0;
    return settlements.map((order) =>
      isCompleted(order) ? this.#record(order, results[next++]) : outcomeOf(order, undefined),
    );
  }

  #record(order: Settlement, result: SettleResult): OrderOutcome {
    // Of two clocks; neither may make a duration negative.
    order.times.settledAt = Math.max(order.times.settledAt, Date.now());
    const outcome = outcomeOf(order, result);
    const isFinal = outcome.status === 'completed' ? !order.isTrial : !order.isCompensable;
    if (isFinal) this.#settled.remember(order, outcome, order.times);
    return outcome;
  }
}

/** Any storage as the core sees it. */
export function asOrderStorage(storage: BalanceStorage): OrderStorage {
  return isPlainMemory(storage) ? storage : new RememberingStorage(storage);
}

/** A subclass or a patched instance wants its own `get` and `apply` to be called. */
function isPlainMemory(storage: BalanceStorage): storage is MemoryStorage {
  return (
    Object.getPrototypeOf(storage) === MemoryStorage.prototype &&
    !Object.hasOwn(storage, 'get') &&
    !Object.hasOwn(storage, 'apply')
  );
}

function isCompleted({ outcome }: Settlement): boolean {
  return outcome === 'completed';
}

function toChange({ id, userId, amount, minBalance }: Settlement): BalanceChange {
  return { orderId: id, userId, amount, minBalance };
}

function checkBalance(balance: number | undefined): number | undefined {
  if (balance === undefined || Number.isSafeInteger(balance)) return balance;
  throw new TypeError(
    `Expected the storage's \`get\` to give a safe integer, got \`${show(balance)}\``,
  );
}

function checkResults(results: readonly BalanceResult[], count: number): readonly SettleResult[] {
  if (!Array.isArray(results) || results.length !== count) {
    const got = Array.isArray(results) ? `${results.length}` : show(results);
    throw new TypeError(
      `Expected the storage's \`apply\` to give ${count} results, got \`${got}\``,
    );
  }
  // Not `map`, which passes over holes.
  return Array.from(results, checkResult);
}

function checkResult(result: BalanceResult): SettleResult {
  const { balance, refused } = (result ?? {}) as { balance?: unknown; refused?: unknown };
  if (refused === 'insufficient_funds' || refused === 'balance_overflow') return refused;
  if (refused === undefined && Number.isSafeInteger(balance)) return balance as number;
  throw new TypeError(
    `Expected a result of the storage's \`apply\` to have a safe integer as \`balance\` ` +
      `or a known code as \`refused\`, got \`${show(balance ?? refused)}\``,
  );
}
