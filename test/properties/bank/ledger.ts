import type { SettlementResult } from 'order-processor';
import { type BalanceChange, MemoryStorage, type Settlement } from 'order-processor';
import { accounts, moneyOf, type OrderPlan, userOf } from './plan.ts';

/** What each account has at first. */
const opening = 100;

/**
 * A disk with the accounts of a bank, and beside it what each account ought to have: by the plans of the orders that
 * were settled, and not by what the library says that they move.
 */
export class Ledger extends MemoryStorage {
  /** By id: the orders that were handed in. */
  readonly plans = new Map<string, OrderPlan>();
  /** The orders that have completed, in their order. */
  readonly completed = new Set<string>();
  readonly wrong: string[] = [];
  readonly #ought = new Map<string, number>();
  /** How many movements each account that was touched ought to have. */
  readonly moves = new Map<string, number>();
  #outside = accounts * opening;

  constructor() {
    super();
    const changes = Array.from({ length: accounts }, (_, account): BalanceChange => {
      const userId = userOf(account);
      this.#ought.set(userId, opening);
      return { orderId: `opening-${userId}`, userId, amount: opening, minBalance: undefined };
    });
    this.apply(changes);
  }

  override settle(settlements: readonly Settlement[]): readonly SettlementResult[] {
    const results = super.settle(settlements);
    settlements.forEach((settlement, at) => {
      const isApplied = settlement.outcome === 'completed' && results[at]?.status === 'settled';
      if (isApplied) this.#complete(settlement.id);
    });
    this.audit(settlements.map(({ id }) => id).join(' '));
    return results;
  }

  #complete(id: string): void {
    if (this.completed.has(id)) this.wrong.push(`invariant 3: ${id} has completed twice`);
    this.completed.add(id);
    const plan = this.planOf(id);
    const { userId, outside, percent = 100 } = plan;
    const { amount, postings } = moneyOf(plan);
    this.#outside += Math.trunc((outside * percent) / 100);
    for (const change of [{ userId, amount }, ...postings]) this.#move(change);
    if (this.oughtOf(userId) < 0) this.wrong.push(`invariant 3: ${id} leaves less than 0`);
  }

  /** An order that comes again has its first id with a number behind it. */
  planOf(id: string): OrderPlan {
    return this.plans.get(id.replace(/~.*/, '')) as OrderPlan;
  }

  #move({ userId, amount }: { readonly userId: string; readonly amount: number }): void {
    this.#ought.set(userId, this.oughtOf(userId) + amount);
    this.moves.set(userId, (this.moves.get(userId) ?? 1) + 1);
  }

  oughtOf(userId: string): number {
    return this.#ought.get(userId) ?? 0;
  }

  /** Reads all accounts in one page: what differs from what they ought to have is wrong. */
  audit(when: string): void {
    let sum = 0;
    for (const [userId, ought] of this.#ought) {
      const balance = this.get(userId) ?? 0;
      sum += balance;
      if (balance !== ought) {
        this.wrong.push(`invariant 3: ${userId} has ${balance} after ${when}, and ought ${ought}`);
      }
    }
    if (sum === this.#outside) return;
    this.wrong.push(
      `invariant 3: all have ${sum} after ${when}, from outside came ${this.#outside}`,
    );
  }
}
