import type { OrderOutcome } from '../order/outcome.ts';
import type { StepResult } from '../order/step-result.ts';
import type { StoredOrder } from '../order/stored-order.ts';
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
import type { HistoryStorage } from './history/history-storage.ts';
import { MemoryHolds } from './holds/memory-holds.ts';
import { balanceIn, sizesOf } from './host-balances.ts';
import { type Ledger, type LedgerSettlement, outcomeOf } from './ledger.ts';
import type { StoredOrderPage, StoredOrderQuery } from './lists/stored-order-page.ts';
import { defaultRetainBytes, defaultRetainSettled } from './memory/memory-options.ts';
import { SettledHistory } from './memory/settled-history.ts';
import { SettledOrders } from './memory/settled-orders.ts';
import { checkBalances } from './order-answers.ts';

/** A host's own storage of balances, with the last settled orders remembered beside it. */
export class BalanceLedger implements Ledger {
  readonly isVolatile = false;
  readonly appliesPostings: boolean;
  readonly journal = undefined;
  readonly holds = new MemoryHolds();
  readonly #storage: BalanceStorage;
  readonly #clock: Clock;
  readonly #settled: SettledOrders;
  readonly history: HistoryStorage;
  #sequence = 0;

  constructor(storage: BalanceStorage, clock: Clock) {
    const { retainSettled = defaultRetainSettled, retainBytes = defaultRetainBytes } = storage;
    checkInteger('storage.retainSettled', retainSettled, 0);
    checkInteger('storage.retainBytes', retainBytes, 0);
    this.#storage = storage;
    this.appliesPostings = storage.appliesPostings === true;
    this.#clock = clock;
    this.#settled = new SettledOrders(retainSettled, retainBytes);
    // Of balances, only the host's storage knows the ones of now.
    this.history = new SettledHistory(this.#settled, () => undefined);
  }

  get(userId: string): Awaitable<number | undefined> {
    return balanceIn(this.#storage, userId);
  }

  settle(settlements: readonly LedgerSettlement[]): Awaitable<readonly OrderOutcome[]> {
    const results = this.#storage.apply(settlements.map(toChange));
    return isThenable(results)
      ? asPromise(results).then((late) => this.#outcomes(settlements, late))
      : this.#outcomes(settlements, results);
  }

  settleUncompleted(settlement: LedgerSettlement): OrderOutcome {
    return this.#record(settlement, undefined);
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
    results: readonly BalanceResult[],
  ): readonly OrderOutcome[] {
    const checked = checkResults(results, settlements);
    this.#clock.read();
    return settlements.map((order, at) => {
      order.settledAt = this.#clock.toUnix(this.#clock.last, order.shift);
      return this.#record(order, checked[at]);
    });
  }

  #record(order: LedgerSettlement, result: BalanceResult | undefined): OrderOutcome {
    const outcome = outcomeOfResult(order, result);
    const isFinal = outcome.status === 'completed' ? !order.isTrial : !order.isCompensable;
    if (isFinal) this.#settled.rememberOutcome(order, outcome, order.sequence);
    return outcome;
  }
}

function toChange({ id, userId, amount, minBalance, postings }: LedgerSettlement): BalanceChange {
  const change = { orderId: id, userId, amount, minBalance };
  return postings.length === 0 ? change : { ...change, postings };
}

function outcomeOfResult(order: LedgerSettlement, result: BalanceResult | undefined): OrderOutcome {
  if (result === undefined) return outcomeOf(order, undefined);
  if ('refused' in result) return outcomeOf(order, result.refused);
  return outcomeOf(order, result.balance, result.balances);
}

function checkResults(
  results: readonly BalanceResult[],
  completed: readonly LedgerSettlement[],
): readonly BalanceResult[] {
  const count = completed.length;
  if (!Array.isArray(results) || results.length !== count) {
    const got = Array.isArray(results) ? `${results.length}` : show(results);
    throw new TypeError(
      `Expected the storage's \`apply\` to give ${count} results, got \`${got}\``,
    );
  }
  // Not `map`, which passes over holes.
  return Array.from(results, (result: BalanceResult, at) =>
    checkResult(result, (completed[at] as LedgerSettlement).postings.length),
  );
}

/** A copy, each field of it read once. */
function checkResult(result: BalanceResult, postings: number): BalanceResult {
  const { balance, refused, balances } = (result ?? {}) as {
    balance?: unknown;
    refused?: unknown;
    balances?: readonly number[];
  };
  if (refused === 'insufficient_funds' || refused === 'balance_overflow') return { refused };
  if (refused === undefined && Number.isSafeInteger(balance)) {
    checkBalances('apply', balances, postings);
    return { balance: balance as number, balances };
  }
  throw new TypeError(
    `Expected a result of the storage's \`apply\` to have a safe integer as \`balance\` ` +
      `or a known code as \`refused\`, got \`${show(balance ?? refused)}\``,
  );
}
