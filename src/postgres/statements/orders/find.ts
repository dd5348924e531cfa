import type { StoredOrder } from '../../../core/order/stored-order.ts';
import type { Session } from '../../sessions/session.ts';
import { toKept } from '../../values/kept-text.ts';
import { plainArray, textArray } from '../../values/literals.ts';
import {
  besideOrder,
  type OrderRow,
  orderColumns,
  orderOf,
  settledColumns,
} from '../../values/rows.ts';

const byId = {
  name: 'orders_by_id',
  text: `SELECT ${orderColumns} FROM unnest($1::text[]) AS wanted (id)
    CROSS JOIN LATERAL (SELECT * FROM orders WHERE id = wanted.id OFFSET 0) o ${besideOrder}`,
};

const settledBySequence = {
  name: 'settled_by_sequence',
  text: `SELECT ${settledColumns} FROM unnest($1::bigint[]) AS wanted (seq)
    CROSS JOIN LATERAL (SELECT * FROM outcomes WHERE seq = wanted.seq OFFSET 0) s
    CROSS JOIN LATERAL (SELECT * FROM orders WHERE seq = wanted.seq OFFSET 0) o`,
};

/** The rows of orders that have these ids, in any order; each id once. */
export function rowsWithIds(session: Session, ids: readonly string[]): Promise<OrderRow[]> {
  const kept = ids.map((id) => toKept(id));
  return session.query<OrderRow>(byId, [textArray(kept)]);
}

/** The rows of the settled ones of orders with these sequences, in any order. */
export function settledRowsAt(session: Session, sequences: readonly number[]): Promise<OrderRow[]> {
  return session.query<OrderRow>(settledBySequence, [plainArray(sequences)]);
}

/**
 * For each id its order; `undefined` for an unknown one.
 *
 * @throws (rejects) UnreadableOrder
 */
export async function findOrders(
  session: Session,
  ids: readonly string[],
): Promise<readonly (StoredOrder | undefined)[]> {
  const rows = await rowsWithIds(session, [...new Set(ids)]);
  const orders = new Map(rows.map((row) => [row.id, orderOf(row)]));
  return ids.map((id) => orders.get(toKept(id)));
}
