import type { StoredOrder } from '../../../core/order/stored-order.ts';
import type { DuePage, DueQuery } from '../../../core/storage/due/due-orders.ts';
import type { TakeUnreadable } from '../../../core/storage/reading/unreadable-orders.ts';
import type { Session } from '../../sessions/session.ts';
import { bounded, isCut, pendingSize, type SizedRow } from '../../values/pages.ts';
import { type OrderRow, ordersOf, pendingColumns } from '../../values/rows.ts';

/** How many unsettled orders a page looks at. */
const pageRows = 500;

/** After so many bytes a page ends. */
const pageBytes = 4_000_000;

const losses =
  'LEFT JOIN LATERAL (SELECT epoch FROM partitions WHERE part = p.part OFFSET 0) t ON true';

const lastPending = { name: 'pending_last', text: 'SELECT max(seq) AS last FROM pending' };

/** Rows without an order are of those whose time has not come. */
const page = {
  name: 'pending_page',
  text: bounded(
    `SELECT p.seq AS place, ${pendingColumns}, ${pendingSize}
    FROM (SELECT * FROM pending WHERE seq > $1::bigint AND seq <= $2::bigint
      ORDER BY seq LIMIT ${pageRows}) p
    LEFT JOIN LATERAL (SELECT * FROM orders
      WHERE seq = p.seq AND (not_before IS NULL OR not_before <= $3::bigint) OFFSET 0) o ON true
    ${losses}`,
    'place',
    `${pageBytes}`,
  ),
};

type PageRow = SizedRow & { readonly place: number } & (OrderRow | { readonly id: null });

/**
 * All unsettled orders in the order of their acceptance, in pages.
 *
 * @param ask - asks for each page
 * @param dueBy - without the orders whose `notBefore` is above this time
 */
export async function* unsettledPages(
  ask: <T>(question: (session: Session) => Promise<T>) => Promise<T>,
  takeUnreadable: TakeUnreadable,
  dueBy = Number.MAX_SAFE_INTEGER,
): AsyncGenerator<readonly StoredOrder[], void, undefined> {
  const [end] = await ask((session) => session.query<{ last: number | null }>(lastPending));
  const upTo = end?.last ?? 0;
  let after = 0;
  while (after < upTo) {
    const from = after;
    const rows = await ask((session) => session.query<PageRow>(page, [from, upTo, dueBy]));
    const isLast = rows.length < pageRows && !isCut(rows, pageBytes);
    after = isLast ? upTo : (rows.at(-1)?.place ?? upTo);
    const due = rows.filter((row): row is Extract<PageRow, OrderRow> => row.id !== null);
    yield ordersOf(due, takeUnreadable);
  }
}

const delayed = `pending p CROSS JOIN LATERAL (SELECT * FROM orders
  WHERE seq = p.seq AND not_before IS NOT NULL OFFSET 0) o`;

/** Reads all that is unsettled: no processor asks for it, and an index would cost each order. */
const due = {
  name: 'due_page',
  text: `SELECT ${pendingColumns} FROM ${delayed} ${losses}
    WHERE (o.not_before, o.seq) > ($1::bigint, $2::bigint)
    ORDER BY o.not_before, o.seq LIMIT $3::int`,
};

/** One page of the delayed orders. */
export async function duePage(
  session: Session,
  { after, upTo, limit }: DueQuery,
  takeUnreadable: TakeUnreadable,
): Promise<DuePage> {
  let place: readonly [number, number] = [after.notBefore, after.sequence];
  for (;;) {
    const rows = await session.query<OrderRow>(due, [...place, limit + 1]);
    const given = rows.slice(0, limit).filter(({ not_before }) => (not_before as number) <= upTo);
    const orders = ordersOf(given, takeUnreadable);
    const next = rows[given.length]?.not_before ?? undefined;
    const last = given.at(-1);
    // Those of the page may all be unreadable.
    if (orders.length > 0 || last === undefined) return { orders, next };
    place = [last.not_before as number, last.seq];
  }
}

const delayedCount = {
  name: 'delayed_count',
  text: `SELECT count(*) AS count FROM ${delayed} WHERE o.not_before > $1::bigint`,
};

/** How many unsettled orders have a `notBefore` above a time. */
export async function countDelayed(session: Session, after: number): Promise<number> {
  const [row] = await session.query<{ count: number }>(delayedCount, [after]);
  return row?.count ?? 0;
}
