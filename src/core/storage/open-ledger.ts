import { checkMethods } from '../runtime/checks.ts';
import type { Clock } from '../runtime/clock.ts';
import { BalanceLedger } from './balance-ledger.ts';
import type { BalanceStorage } from './balance-storage.ts';
import type { Ledger } from './ledger.ts';
import { MemoryStorage } from './memory/memory-storage.ts';
import { OrderLedger } from './order-ledger.ts';
import type { OrderStorage } from './order-storage.ts';

/** Beside `accept`, `settle` and those of a balance storage. */
const orderMethods = ['amend', 'find', 'list', 'unsettled'] as const;

/**
 * Storages of ours, and those that keep orders, while a processor has them: another one would take its orders to be
 * left, and would not know of its orders in flight.
 */
const inUse = new WeakSet<BalanceStorage>();

/** The processor has closed. */
export function giveBack(storage: BalanceStorage | undefined): void {
  if (storage !== undefined) inUse.delete(storage);
}

/**
 * Any storage as the core sees it.
 *
 * @param clock - the processor's
 * @throws TypeError for a `MemoryStorage`, or one that keeps orders, that has a processor
 */
export function openLedger(storage: BalanceStorage, clock: Clock): Ledger {
  if (isPlainMemory(storage)) {
    claim(storage);
    return storage;
  }
  // Whoever overrides `apply` wants it to be called.
  const isMemory =
    storage instanceof MemoryStorage && storage.settle === MemoryStorage.prototype.settle;
  const isKeeping = !isMemory && keepsOrders(storage);
  if (isKeeping || storage instanceof MemoryStorage) claim(storage);
  if (isKeeping) return new OrderLedger(storage as OrderStorage);
  return new BalanceLedger(storage, clock);
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

/** A subclass or a patched instance wants its own methods to be called. */
function isPlainMemory(storage: BalanceStorage): storage is MemoryStorage {
  return (
    Object.getPrototypeOf(storage) === MemoryStorage.prototype &&
    Object.keys(storage).every((name) => name === 'retainSettled' || name === 'retainBytes')
  );
}

/** @throws TypeError for a storage that has `accept` and `settle` and lacks another method of those that keep orders */
function keepsOrders(storage: BalanceStorage): storage is OrderStorage {
  const { accept, settle } = storage as Partial<OrderStorage>;
  if (typeof accept !== 'function' || typeof settle !== 'function') return false;
  // Taken for one that keeps balances alone, it would lose orders that its host believes to be kept.
  checkMethods('storage', storage, orderMethods);
  return true;
}
