import type { BalanceStorage } from './balance-storage.ts';
import type { CoreStorage } from './core-storage.ts';
import { KeepingStorage } from './keeping.ts';
import { MemoryStorage } from './memory.ts';
import type { OrderStorage } from './order-storage.ts';
import { RememberingStorage } from './remembering.ts';

/** Beside those of a balance storage. */
const orderMethods = ['accept', 'settle', 'amend', 'find', 'list', 'unsettled'] as const;

/** Storages that keep orders, while a processor has them: another one would take its orders to be left. */
const inUse = new WeakSet<BalanceStorage>();

/** The processor has closed. */
export function giveBack(storage: BalanceStorage | undefined): void {
  if (storage !== undefined) inUse.delete(storage);
}

/**
 * Any storage as the core sees it.
 *
 * @throws TypeError for one that keeps orders, and has a processor
 */
export function asCoreStorage(storage: BalanceStorage): CoreStorage {
  if (isPlainMemory(storage)) return storage;
  // Whoever overrides `apply` wants it to be called.
  const isMemory =
    storage instanceof MemoryStorage && storage.settle === MemoryStorage.prototype.settle;
  if (isMemory || !keepsOrders(storage)) return new RememberingStorage(storage);
  if (inUse.has(storage)) {
    throw new TypeError('Expected `storage` to have no other processor that is not shut down');
  }
  inUse.add(storage);
  return new KeepingStorage(storage);
}

/** A subclass or a patched instance wants its own methods to be called. */
function isPlainMemory(storage: BalanceStorage): storage is MemoryStorage {
  return (
    Object.getPrototypeOf(storage) === MemoryStorage.prototype &&
    Object.keys(storage).every((name) => name === 'retainSettled')
  );
}

function keepsOrders(storage: BalanceStorage): storage is OrderStorage {
  return orderMethods.every((method) => typeof (storage as OrderStorage)[method] === 'function');
}
