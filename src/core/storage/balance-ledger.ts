import type { OrderOutcome } from '../order/outcome.ts';
import type { StepResult } from '../order/step-result.ts';
import type { Refusal, StoredOrder } from '../order/stored-order.ts';
import { type Awaitable, asPromise, isThenable } from '../runtime/awaitable.ts';
import { checkInteger } from '../runtime/checks.ts';
import type { Clock } from '../runtime/clock.ts';
import { show } from '../runtime/thrown.ts';
import type {
  BalanceChange,
  BalanceResult,
  BalanceStorage,
  StorageSizes,
} from './balance-storage.ts';
import { balanceIn, sizesOf } from './host-balances.ts';
import { type Ledger, type LedgerSettlement, outcomeOf } from './ledger.ts';
import { defaultRetainBytes, defaultRetainSettled } from './memory/memory-storage.ts';
import { SettledOrders } from './memory/settled-orders.ts';
import type { StoredOrderPage, StoredOrderQuery } from './order-storage.ts';

/** A host's own storage of balances, with the last settled orders remembered beside it. */
export class BalanceLedger implements Ledger {
  readonly isVolatile = false;
  readonly journal = undefined;
  readonly #storage: BalanceStorage;
  readonly #clock: Clock;
  readonly #settled: SettledOrders;
  #sequence = 0;

  constructor(storage: BalanceStorage, clock: Clock) {
    const { retainSettled = defaultRetainSettled, retainBytes = defaultRetainBytes } = storage;
    checkInteger('storage.retainSettled', retainSettled, 0);
    checkInteger('storage.retainBytes', retainBytes, 0);
    this.#storage = storage;
    this.#clock = clock;
    this.#settled = new SettledOrders(retainSettled, retainBytes);
  }

  get(userId: string): Awaitable<number | undefined> {
    return balanceIn(this.#storage, userId);
  }

  settle(settlements: readonly LedgerSettlement[]): Awaitable<readonly OrderOutcome[]> {
    const completed = settlements.filter(isCompleted);
    const count = completed.length;
    this.#clock.read();
    // An order that changes no balance settles even if the storage fails.
    for (const order of settlements) if (!isCompleted(order)) this.#record(order, undefined);
    if (count === 0) return this.#outcomes(settlements, []);
    const results = this.#storage.apply(completed.map(toChange));
    return isThenable(results)
      ? asPromise(results).then((late) => this.#outcomes(settlements, checkResults(late, count)))
      : this.#outcomes(settlements, checkResults(results, count));
  }

  record(id: string): StoredOrder | undefined {
    return this.#settled.find(id);
  }

  list(query: StoredOrderQuery): StoredOrderPage {
    return this.#settled.list(query);
  }

  nextSequence(): number {
    this.#sequence += 1;
    return this.#sequence;
  }

  amend(id: string, steps: readonly StepResult[]): void {
    this.#settled.amend(id, steps);
  }

  sizes(): StorageSizes | undefined {
    return sizesOf(this.#storage);
  }

  close(): Awaitable<void> {
    return this.#storage.close?.();
  }

  #outcomes(
    settlements: readonly LedgerSettlement[],
    results: readonly (number | Refusal)[],
  ): readonly OrderOutcome[] {
    let next = 0;
    this.#clock.read();
    return settlements.map((order) =>
      isCompleted(order) ? this.#record(order, results[next++]) : outcomeOf(order, undefined),
    );
  }

  #record(order: LedgerSettlement, result: number | Refusal | undefined): OrderOutcome {
    order.settledAt = this.#clock.toUnix(this.#clock.last, order.shift);
    const outcome = outcomeOf(order, result);
    const isFinal = outcome.status === 'completed' ? !order.isTrial : !order.isCompensable;
    if (isFinal) this.#settled.rememberOutcome(order, outcome, order.sequence);
    return outcome;
  }
}

function isCompleted({ outcome }: LedgerSettlement): boolean {
  return outcome === 'completed';
}

function toChange({ id, userId, amount, minBalance }: LedgerSettlement): BalanceChange {
  return { orderId: id, userId, amount, minBalance };
}

function checkResults(
  results: readonly BalanceResult[],
  count: number,
): readonly (number | Refusal)[] {
  if (!Array.isArray(results) || results.length !== count) {
    const got = Array.isArray(results) ? `${results.length}` : show(results);
    throw new TypeError(
      `Expected the storage's \`apply\` to give ${count} results, got \`${got}\``,
    );
  }
  // Not `map`, which passes over holes.
  return Array.from(results, checkResult);
}

function checkResult(result: BalanceResult): number | Refusal {
  const { balance, refused } = (result ?? {}) as { balance?: unknown; refused?: unknown };
  if (refused === 'insufficient_funds' || refused === 'balance_overflow') return refused;
  if (refused === undefined && Number.isSafeInteger(balance)) return balance as number;
  throw new TypeError(
    `Expected a result of the storage's \`apply\` to have a safe integer as \`balance\` ` +
      `or a known code as \`refused\`, got \`${show(balance ?? refused)}\``,
  );
}
