import { checkMethods, wrong } from '../runtime/checks.ts';
import type { Clock } from '../runtime/clock.ts';
import { BalanceLedger } from './balance-ledger.ts';
import type { BalanceStorage } from './balance-storage.ts';
import type { Ledger } from './ledger.ts';
import { OrderLedger } from './order-ledger.ts';
import type { OrderStorage } from './order-storage.ts';
import { claim } from './storages-in-use.ts';
import { VolatileLedger } from './volatile-ledger.ts';

/** The methods of an order storage beside `accept`, `settle` and the methods of a balance storage. */
const orderMethods = [
  ...['remember', 'amend', 'find', 'list', 'unsettled', 'due', 'delayed'],
  ...['hold', 'release', 'holds'],
  ...['settled', 'movements', 'balanceAt'],
] as const;

/**
 * Any storage as the core sees it, by what the storage says of itself. A storage that has `accept` and `settle` keeps
 * orders, only for this process if it `isVolatile`. Any other storage keeps balances.
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

/**
 * What the processor takes as Unix time: that of a storage which processors share, since their clocks may differ, and
 * else that of the machine's clock.
 *
 * @throws TypeError if what the storage says of its clock is no number
 */
export function unixNowOf(storage: BalanceStorage): (() => number) | undefined {
  const { shared } = storage as Partial<OrderStorage>;
  const aheadMs = shared?.clockAheadMs;
  if (shared === undefined || aheadMs === undefined) return undefined;
  if (!Number.isFinite(aheadMs)) {
    throw wrong(TypeError, 'storage.shared.clockAheadMs', 'a finite number', aheadMs);
  }
  return () => Date.now() + (shared.clockAheadMs as number);
}

/** @throws TypeError for a storage that has `accept` and `settle` and lacks another method of those that keep orders */
function keepsOrders(storage: BalanceStorage): storage is OrderStorage {
  const { accept, settle } = storage as Partial<OrderStorage>;
  if (typeof accept !== 'function' || typeof settle !== 'function') return false;
  // As a storage of balances only, it would lose orders that its host believes to be kept.
  checkMethods('storage', storage, orderMethods);
  return true;
}
