import type { Decision } from '../order/decision.ts';
import type { OrderError } from '../order/order-error.ts';
import type { OrderOutcome } from '../order/outcome.ts';
import { storageFailed } from '../order/processor-errors.ts';
import { receiptOf, refusedBy } from '../order/receipt.ts';
import type { SettledFields, Times } from '../order/stored-order.ts';
import type { DirectStorage } from '../storage/ledger.ts';

/**
 * Settles one order in a storage that answers at once. Such a storage is not to throw; should it all the same, when
 * memory can take no more for example, that fails this order alone, and nothing that comes after it.
 *
 * @param sequence - the order's place in the order of acceptance
 * @param failed - hears what it has thrown
 */
export function settleIn(
  storage: DirectStorage,
  order: SettledFields,
  { outcome, error, steps, isCompensable }: Decision,
  times: Times,
  sequence: number,
  minBalance: number | undefined,
  failed: (error: OrderError) => void,
): OrderOutcome {
  let settled: OrderOutcome | undefined;
  try {
    if (outcome === 'completed') {
      const balance = storage.change(order.userId, order.amount, minBalance);
      settled =
        typeof balance === 'number'
          ? receiptOf(order, balance, times, steps)
          : refusedBy(balance, order, steps);
    } else settled = { status: outcome, error: error as OrderError };
    if (!isCompensable || settled.status === 'completed') {
      storage.remember(order, settled, times, sequence);
    }
    return settled;
  } catch (cause) {
    failed(storageFailed('A call of the storage failed', cause));
    if (settled !== undefined) return settled;
    const { id, userId, labels } = order;
    const lost = storageFailed('The storage did not settle it', cause, {
      id,
      userId,
      labels,
      steps,
    });
    return { status: 'failed', error: lost };
  }
}
