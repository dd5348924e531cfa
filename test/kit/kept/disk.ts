import {
  type AcceptResult,
  MemoryStorage,
  type NewOrder,
  type Settlement,
  type SettlementResult,
} from 'order-processor';

/** An order as it was kept, even if no caller was notified. */
export interface Kept {
  readonly id: string;
  readonly userId: string;
}

/** An outcome as it was recorded, even if no caller was notified. */
export interface Settled extends Kept {
  readonly amount: number;
  readonly outcome: 'completed' | 'failed' | 'canceled';
  readonly code: string | undefined;
  readonly balance: number | undefined;
  /** Whether its processing began. */
  readonly hasBegun: boolean;
}

/** A disk that remembers all that was ever done to it, in the order in which it was done. */
export class Disk extends MemoryStorage {
  readonly kept: Kept[] = [];
  readonly recorded: Settled[] = [];

  override accept(orders: readonly NewOrder[]): readonly AcceptResult[] {
    const results = super.accept(orders);
    orders.forEach(({ id, userId }, at) => {
      if (results[at]?.status === 'accepted') this.kept.push({ id, userId });
    });
    return results;
  }

  override settle(settlements: readonly Settlement[]): readonly SettlementResult[] {
    const results = super.settle(settlements);
    settlements.forEach((settlement, at) => {
      this.#note(settlement, results[at] as SettlementResult);
    });
    return results;
  }

  #note(settlement: Settlement, result: SettlementResult): void {
    const { id, userId, amount, error, startedAt, isProvisional, isCompensable } = settlement;
    const { status } = result;
    if (isProvisional || status === 'known' || status === 'failed' || status === 'lost') return;
    const isRefused = status === 'refused';
    if (isRefused && isCompensable) return;
    this.recorded.push({
      id,
      userId,
      amount,
      outcome: isRefused ? 'failed' : settlement.outcome,
      code: isRefused ? result.code : error?.code,
      balance: isRefused ? undefined : result.balance,
      hasBegun: startedAt !== undefined,
    });
  }
}
