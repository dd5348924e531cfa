import type {
  StoredOrderPage,
  StoredOrderQuery,
} from '../../../core/storage/lists/stored-order-page.ts';
import type { TakeUnreadable } from '../../../core/storage/reading/unreadable-orders.ts';
import type { Session } from '../../sessions/session.ts';
import { toKept } from '../../values/kept-text.ts';
import { isCut, type SizedRow } from '../../values/pages.ts';
import { type OrderRow, ordersOf } from '../../values/rows.ts';
import {
  blockBits,
  blocks,
  coveredSteps,
  type ListedSource,
  mostBlocks,
  sourceOf,
  windowSteps,
} from './list-statements.ts';

const { MAX_SAFE_INTEGER: most } = Number;

/** The most bytes of a page, where its caller names none. */
const pageBytes = 64 * 2 ** 20;

/** A row of a step; one without an order, if there is none. */
type Row = { readonly low: number } & ((OrderRow & SizedRow) | { readonly seq: null });

/** Orders below `before` and from `from` on. */
interface Range {
  readonly from: number;
  readonly before: number;
}

/** The first and the last time. */
type Times = readonly [from: number, upTo: number];

/**
 * One page of a list. Its cost is bounded whatever the tables hold: it looks at wanted orders, at no more than some
 * thousands of others, and at the times of a thousand blocks.
 */
export async function listOrders(
  session: Session,
  query: StoredOrderQuery,
  takeUnreadable: TakeUnreadable,
): Promise<StoredOrderPage> {
  const { userId, status, limit } = query;
  const source = sourceOf(userId === undefined ? undefined : toKept(userId), status);
  const before = Math.min(query.before ?? most, most);
  const times = timesOf(query);
  const range =
    times === undefined
      ? { from: 0, before }
      : await rangeOf(session, before, times, source.name === 'all');
  if (range === undefined) return { orders: [], next: undefined };
  if (range.from === range.before) return { orders: [], next: range.from || undefined };
  const maxBytes = Math.min(query.maxBytes ?? pageBytes, pageBytes);
  const { rows, low } = await step(session, source, range, times, limit + 1, maxBytes);
  const listed = rows.slice(0, limit);
  const hasMore = rows.length > limit || isCut(listed, maxBytes);
  const next = hasMore ? listed.at(-1)?.seq : low;
  return { orders: ordersOf(listed, takeUnreadable), next: next || undefined };
}

/** `undefined` for any. Times are integers. */
function timesOf({ acceptedFrom, acceptedBefore }: StoredOrderQuery): Times | undefined {
  if (acceptedFrom === undefined && acceptedBefore === undefined) return undefined;
  const from = Math.ceil(acceptedFrom ?? -most);
  const upTo = Math.ceil(acceptedBefore ?? most + 1) - 1;
  return [Math.max(from, -most), Math.min(upTo, most)];
}

/**
 * The next orders below `before` that may be of the wanted times: one block, or several in a row where an index passes
 * over other users' orders. An empty range says where to go on. `undefined` if there are no more.
 */
async function rangeOf(
  session: Session,
  before: number,
  times: Times,
  isOne: boolean,
): Promise<Range | undefined> {
  const rows = await session.query<{ from: number; block: number | null }>(blocks, [
    before,
    ...times,
    isOne ? 1 : mostBlocks,
  ]);
  const first = rows[0];
  if (first === undefined) return undefined;
  if (first.block === null) return { from: first.from, before: first.from };
  const size = 2 ** blockBits;
  let from = first.block;
  for (const { block } of rows.slice(1)) {
    if (block !== from - 1) break;
    from = block;
  }
  return { from: from * size, before: Math.min(before, (first.block + 1) * size) };
}

async function step(
  session: Session,
  { name, values }: ListedSource,
  { from, before }: Range,
  times: Times | undefined,
  limit: number,
  maxBytes: number,
): Promise<{ readonly rows: readonly (OrderRow & SizedRow)[]; readonly low: number }> {
  const statement = (times === undefined && coveredSteps[name]) || windowSteps[name];
  const all = await session.query<Row>(statement, [
    ...[from, before, ...(times ?? [-most, most]), limit, maxBytes],
    ...values,
  ]);
  const rows = all.filter((row): row is Extract<Row, OrderRow> => row.seq !== null);
  return { rows, low: (all[0] as Row).low };
}
