import type { SharedStorageListener } from 'order-processor';
import type { Tenure } from './shared-database.ts';
import { SharedStorage } from './shared-storage.ts';

/** One processor's storage object of a `SharedDatabase`, which knows at once whether it has lost a partition. */
export class AskedStorage extends SharedStorage {
  /** How often it was asked, and how often it answered that nothing may begin. */
  readonly asked = { count: 0, refusals: 0 };
  #asks: SharedStorageListener | undefined;

  override join(listener: SharedStorageListener): void {
    this.#asks = listener;
    super.join(listener);
  }

  mayBegin(): boolean {
    this.asked.count += 1;
    if (![...this.tenures].some(({ isLost }) => isLost)) return true;
    this.asked.refusals += 1;
    for (const tenure of this.tenures) this.#lose(tenure);
    return false;
  }

  /** What it still owns it gains anew. */
  #lose(tenure: Tenure): void {
    const { isLost, number } = tenure;
    this.tenures.delete(tenure);
    if (!isLost) this.database.take(number);
    // The event that is under way comes no more.
    tenure.isTold = false;
    this.#asks?.lost(tenure);
    if (!isLost) this.database.give(number, this);
  }
}
