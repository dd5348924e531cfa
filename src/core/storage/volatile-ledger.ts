import { outcomeOfRecord } from '../order/record.ts';
import type { StepResult } from '../order/step-result.ts';
import type { StoredOrder } from '../order/stored-order.ts';
import { type Awaitable, asPromise, isThenable } from '../runtime/awaitable.ts';
import { checkMethods } from '../runtime/checks.ts';
import type { StorageSizes } from './balance-storage.ts';
import type { HistoryStorage } from './history/history-storage.ts';
import { CheckedHolds } from './holds/checked-holds.ts';
import type { HoldStorage } from './holds/hold.ts';
import { balanceIn, sizesOf } from './host-balances.ts';
import type { Ledger, LedgerSettlement, Settled } from './ledger.ts';
import type { StoredOrderPage, StoredOrderQuery } from './lists/stored-order-page.ts';
import { checkPage, checkSequence, settledOf, withMessage } from './order-answers.ts';
import type { OrderStorage } from './order-storage.ts';
import type { FencedWrite } from './requests/fenced-write.ts';

/**
 * A storage whose orders end with the process (`isVolatile`). It gets each order when it is settled, and answers at
 * once whether it has settled an id.
 */
export class VolatileLedger implements Ledger {
  readonly isVolatile = true;
  readonly appliesPostings = true;
  readonly journal = undefined;
  readonly holds: HoldStorage;
  readonly #storage: OrderStorage & Required<Pick<OrderStorage, 'nextSequence'>>;

  constructor(storage: OrderStorage) {
    checkMethods('storage', storage, ['nextSequence']);
    if (storage.shared !== undefined) {
      throw new TypeError('Expected a volatile `storage` not to be shared');
    }
    this.holds = new CheckedHolds(storage, false);
    this.#storage = storage as OrderStorage & Required<Pick<OrderStorage, 'nextSequence'>>;
  }

  get history(): HistoryStorage {
    return this.#storage;
  }

  get(userId: string): Awaitable<number | undefined> {
    return balanceIn(this.#storage, userId);
  }

  settle(settlements: readonly LedgerSettlement[]): Awaitable<readonly Settled[]> {
    try {
      const results = this.#storage.settle(settlements);
      if (!isThenable(results)) return this.#toOwn(settlements, settledOf(settlements, results));
      return asPromise(results)
        .then((late) => this.#toOwn(settlements, settledOf(settlements, late)))
        .catch((cause: unknown) => this.#found(settlements, cause));
    } catch (cause) {
      return this.#found(settlements, cause);
    }
  }

  record(id: string): StoredOrder | undefined {
    const stored = this.#storage.find(id);
    if (isThenable(stored)) {
      throw new TypeError('Expected `find` of a volatile storage to answer at once');
    }
    // An accepted and unsettled order there is not this processor's.
    return stored?.settledAt === undefined ? undefined : withMessage(stored);
  }

  list(query: StoredOrderQuery): Awaitable<StoredOrderPage> {
    const page = this.#storage.list(query);
    return isThenable(page)
      ? asPromise(page).then((late) => checked(late, query))
      : checked(page, query);
  }

  nextSequence(): number {
    const sequence = this.#storage.nextSequence();
    checkSequence('nextSequence', sequence);
    return sequence;
  }

  amend(id: string, steps: readonly StepResult[]): FencedWrite {
    return this.#storage.amend(id, steps);
  }

  sizes(): StorageSizes | undefined {
    return sizesOf(this.#storage);
  }

  close(): Awaitable<void> {
    return this.#storage.close?.();
  }

  /**
   * The processor asked for each id before it accepted the order. An id that is known now was recorded by other code.
   */
  #toOwn(settlements: readonly LedgerSettlement[], settled: Settled[]): readonly Settled[] {
    for (let at = 0; at < settled.length; at += 1) {
      const result = settled[at] as Settled;
      if ('known' in result) {
        settled[at] = ownOf(settlements[at] as LedgerSettlement, result.known);
      }
    }
    return settled;
  }

  /** The call failed: asks the storage what the call has recorded. */
  #found(settlements: readonly LedgerSettlement[], cause: unknown): readonly Settled[] {
    return settlements.map((settlement) => {
      const known = this.record(settlement.id);
      return known === undefined ? { cause } : ownOf(settlement, known);
    });
  }
}

function ownOf({ userId, orderedAmount }: LedgerSettlement, known: StoredOrder): Settled {
  const isSame = known.userId === userId && known.orderedAmount === orderedAmount;
  if (isSame && known.settledAt !== undefined) return outcomeOfRecord(known);
  return { cause: new Error('The storage has another order with this id') };
}

function checked(page: StoredOrderPage, query: StoredOrderQuery): StoredOrderPage {
  const { orders, next } = checkPage(page, query);
  return { orders: orders.map(withMessage), next };
}
