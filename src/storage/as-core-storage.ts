import type { BalanceStorage } from './balance-storage.ts';
import type { CoreStorage } from './core-storage.ts';
import { KeepingStorage } from './keeping.ts';
import { MemoryStorage } from './memory.ts';
import type { OrderStorage } from './order-storage.ts';
import { RememberingStorage } from './remembering.ts';

/** Beside those of a balance storage. */
const orderMethods = ['accept', 'settle', 'amend', 'find', 'list', 'unsettled'] as const;

/** Any storage as the core sees it. */
export function asCoreStorage(storage: BalanceStorage): CoreStorage {
  if (isPlainMemory(storage)) return storage;
  // Whoever overrides `apply` wants it to be called.
  const isMemory =
    storage instanceof MemoryStorage && storage.settle === MemoryStorage.prototype.settle;
  return keepsOrders(storage) && !isMemory
    ? new KeepingStorage(storage)
    : new RememberingStorage(storage);
}

/** A subclass or a patched instance wants its own methods to be called. */
function isPlainMemory(storage: BalanceStorage): storage is MemoryStorage {
  return (
    Object.getPrototypeOf(storage) === MemoryStorage.prototype &&
    Object.keys(storage).every(isField)
  );
}

function isField(name: string): boolean {
  return name === 'retainSettled';
}

function keepsOrders(storage: BalanceStorage): storage is OrderStorage {
  return orderMethods.every((method) => typeof (storage as OrderStorage)[method] === 'function');
}
