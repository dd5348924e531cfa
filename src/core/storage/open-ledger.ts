import { checkMethods } from '../runtime/checks.ts';
import type { Clock } from '../runtime/clock.ts';
import { BalanceLedger } from './balance-ledger.ts';
import type { BalanceStorage } from './balance-storage.ts';
import type { Ledger } from './ledger.ts';
import { OrderLedger } from './order-ledger.ts';
import type { OrderStorage } from './order-storage.ts';
import { VolatileLedger } from './volatile-ledger.ts';

/** Beside `accept`, `settle` and those of a balance storage. */
const orderMethods = ['amend', 'find', 'list', 'unsettled'] as const;

/**
 * Storages that keep orders, while a processor has them: another one would take up its orders, and would not know of
 * its orders in flight.
 */
const inUse = new WeakSet<BalanceStorage>();

/** The processor has closed. */
export function giveBack(storage: BalanceStorage | undefined): void {
  if (storage !== undefined) inUse.delete(storage);
}

/**
 * Any storage as the core sees it, by what the storage says of itself: one that has `accept` and `settle` keeps orders,
 * for this process alone if it `isVolatile`; any other keeps balances.
 *
 * @param clock - the processor's
 * @throws TypeError for a storage that keeps orders and has a processor
 */
export function openLedger(storage: BalanceStorage, clock: Clock): Ledger {
  if (!keepsOrders(storage)) return new BalanceLedger(storage, clock);
  const ledger =
    storage.isVolatile === true ? new VolatileLedger(storage) : new OrderLedger(storage);
  claim(storage);
  return ledger;
}

function claim(storage: BalanceStorage): void {
  if (storage.isClosed === true) {
    throw new TypeError('Expected `storage` to be open, but it has been closed');
  }
  if (inUse.has(storage)) {
    throw new TypeError('Expected `storage` to have no other processor that is not shut down');
  }
  inUse.add(storage);
}

/** @throws TypeError for a storage that has `accept` and `settle` and lacks another method of those that keep orders */
function keepsOrders(storage: BalanceStorage): storage is OrderStorage {
  const { accept, settle } = storage as Partial<OrderStorage>;
  if (typeof accept !== 'function' || typeof settle !== 'function') return false;
  // Taken for one that keeps balances alone, it would lose orders that its host believes to be kept.
  checkMethods('storage', storage, orderMethods);
  return true;
}
