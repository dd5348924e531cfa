import { type Awaitable, asPromise, isThenable } from '../runtime/awaitable.ts';
import { show } from '../runtime/thrown.ts';
import type { BalanceStorage, StorageSizes } from './balance-storage.ts';
import type { ClusterStats, SharedOrders } from './shared-storage.ts';

/** A user's balance as a host's storage answers it, checked. */
export function balanceIn(storage: BalanceStorage, userId: string): Awaitable<number | undefined> {
  const balance = storage.get(userId);
  return isThenable(balance) ? asPromise(balance).then(checkBalance) : checkBalance(balance);
}

function checkBalance(balance: number | undefined): number | undefined {
  if (balance === undefined || Number.isSafeInteger(balance)) return balance;
  throw new TypeError(
    `Expected the storage's \`get\` to give a safe integer, got \`${show(balance)}\``,
  );
}

/** How much room a host's storage takes, if it says so. */
export function sizesOf(storage: BalanceStorage): StorageSizes | undefined {
  try {
    const { fileBytes, logBytes } = storage.sizes?.() ?? {};
    return isSize(fileBytes) && isSize(logBytes) ? { fileBytes, logBytes } : undefined;
  } catch {
    // Reading statistics must not fail.
    return undefined;
  }
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** What a host's storage knows of all processors, if it says so. */
export function clusterOf(shared: SharedOrders | undefined): ClusterStats | undefined {
  try {
    return shared?.cluster?.();
  } catch {
    // Reading statistics must not fail.
    return undefined;
  }
}
