import type { BalanceStorage } from './balance-storage.ts';

/**
 * Storages that keep orders and that a processor uses: another processor would take up its orders, and would not know
 * its orders in flight.
 */
const inUse = new WeakSet<BalanceStorage>();

/**
 * Uses a storage, until `giveBack`.
 *
 * @param name - what the storage is called, for people
 * @throws TypeError if it is closed or in use
 */
export function claim(storage: BalanceStorage, name = 'storage'): void {
  if (storage.isClosed === true) {
    throw new TypeError(`Expected \`${name}\` to be open, but it has been closed`);
  }
  if (inUse.has(storage)) {
    throw new TypeError(`Expected \`${name}\` to have no other processor that is not shut down`);
  }
  inUse.add(storage);
}

/** Called when the processor has closed. */
export function giveBack(storage: BalanceStorage | undefined): void {
  if (storage !== undefined) inUse.delete(storage);
}
