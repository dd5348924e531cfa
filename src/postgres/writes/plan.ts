import type { OrderStatus } from '../../core/order/outcome.ts';
import type { Refusal } from '../../core/order/stored-order.ts';
import type { Settlement } from '../../core/storage/order-storage.ts';
import type { Account } from '../decisions/account.ts';
import { type Decision, Decisions } from '../decisions/decisions.ts';
import type { KnownBalances } from '../decisions/known-balances.ts';

/** What is known of the orders of a call of `settle`. */
export interface KnownState {
  /** Orders that cannot be settled: they are settled, their id is another order's, or they were deleted by hand. */
  readonly closed: ReadonlySet<string>;
}

/** What is to be done for one settlement of a call. */
export type Treatment =
  | { readonly kind: 'closed' }
  | { readonly kind: 'noted' }
  /** Its amount is refused, and it stays unsettled. */
  | { readonly kind: 'left'; readonly refusal: Refusal }
  | { readonly kind: 'settled'; readonly outcome: Outcome };

/** What is recorded of one settlement. */
export interface Outcome {
  readonly settlement: Settlement;
  readonly status: Exclude<OrderStatus, 'pending' | 'processing'>;
  /** Of a completed order. */
  readonly decision: Decision | undefined;
}

/** Everything that a call of `settle` is to do, decided by what balances are taken to be. */
export class SettlementPlan {
  readonly treatments: readonly Treatment[];
  readonly outcomes: Outcome[] = [];
  /** The last provisional settlement of each order that is not settled in the call. */
  readonly notes = new Map<string, Settlement>();
  /** The ids of accepted orders that stay unsettled, and must be so. */
  readonly left = new Set<string>();
  /** The users by whose balances something was decided. */
  readonly accounts: readonly Account[];
  /** The settlements of orders that hold their lane. */
  readonly endedHolds: Settlement[] = [];
  /** The settlements whose orders the storage does not have. */
  readonly unaccepted: Settlement[] = [];
  readonly #decisions: Decisions;
  readonly #state: KnownState;
  readonly #ended = new Set<string>();

  constructor(settlements: readonly Settlement[], state: KnownState, balances: KnownBalances) {
    this.#state = state;
    this.#decisions = new Decisions((userId) => balances.get(userId) ?? 0);
    this.treatments = settlements.map((settlement) => this.#treat(settlement));
    if (this.notes.size + this.left.size > 0) this.#endNotes();
    this.accounts = [...this.#decisions.accounts.values()].filter(({ isBound }) => isBound);
  }

  /** Whether it is one statement, which is a transaction of its own. */
  get isOneStatement(): boolean {
    const isAlone = this.notes.size === 0 && this.left.size === 0 && this.unaccepted.length === 0;
    return isAlone && this.endedHolds.length === 0;
  }

  #endNotes(): void {
    for (const id of this.#ended) {
      this.notes.delete(id);
      this.left.delete(id);
    }
  }

  #treat(settlement: Settlement): Treatment {
    const { id, isAccepted, outcome } = settlement;
    if (this.#state.closed.has(id) || this.#ended.has(id)) return { kind: 'closed' };
    if (settlement.isProvisional) {
      if (isAccepted) this.notes.set(id, settlement);
      return { kind: 'noted' };
    }
    if (outcome !== 'completed')
      return this.#settle({ settlement, status: outcome, decision: undefined });
    const decision = this.#decisions.decide(settlement);
    if (!('refusal' in decision))
      return this.#settle({ settlement, status: 'completed', decision });
    if (!settlement.isCompensable) return this.#settle({ settlement, status: 'failed', decision });
    if (isAccepted) this.left.add(id);
    return { kind: 'left', refusal: decision.refusal };
  }

  #settle(outcome: Outcome): Treatment {
    const { settlement } = outcome;
    this.#ended.add(settlement.id);
    this.outcomes.push(outcome);
    if (settlement.endsHold) this.endedHolds.push(settlement);
    if (!settlement.isAccepted) this.unaccepted.push(settlement);
    return { kind: 'settled', outcome };
  }
}
