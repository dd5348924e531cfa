import type { StoredOrder } from '../../core/order/stored-order.ts';
import type { FailedResult } from '../../core/storage/order-storage.ts';
import type { Session } from '../sessions/session.ts';
import { rowsWithIds } from '../statements/orders/find.ts';
import { fromKept } from '../values/kept-text.ts';
import { orderOf } from '../values/rows.ts';

/** The answer to an order whose id is taken. */
export type KnownResult = { readonly status: 'known'; readonly order: StoredOrder } | FailedResult;

/** The orders that have some ids; none for an id that is free. An order that cannot be read fails alone. */
export async function knownOrders(
  session: Session,
  ids: readonly string[],
): Promise<Map<string, KnownResult>> {
  const known = new Map<string, KnownResult>();
  if (ids.length === 0) return known;
  for (const row of await rowsWithIds(session, [...new Set(ids)])) {
    try {
      known.set(fromKept(row.id), { status: 'known', order: orderOf(row) });
    } catch (error) {
      known.set(fromKept(row.id), { status: 'failed', error });
    }
  }
  return known;
}
