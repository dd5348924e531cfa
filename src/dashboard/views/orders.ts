import type { OrderRecord, OrderStatus } from '../../core/order/outcome.ts';
import type { OrderProcessor } from '../../core/order-processor.ts';
import { mayActFor } from '../../server/access.ts';
import { badRequest } from '../../server/http-error.ts';
import type { OrderFilter, OrderListPage, SearchView } from '../api.ts';
import type { Sources } from '../sources.ts';
import { maySee, type Viewer } from '../viewer.ts';
import { defined, optionalAmount } from './amounts.ts';
import { summaryOf } from './order-summary.ts';

/** How many orders are looked at for one page, and for how long. */
const mostLooked = 5_000;
const mostMs = 500;
const pageSize = 200;

/** What a scan found, and where it goes on. */
export interface Found {
  readonly orders: OrderRecord[];
  readonly cursor: string | undefined;
  /** Down to which time of acceptance orders were looked at. */
  readonly searchedTo: number | undefined;
}

/**
 * Looks for orders, the one accepted last first, for a bounded time. The storage filters by user, status and time; all
 * else is looked at here.
 *
 * @param isWanted - beside the filter
 * @throws OrderError `storage_failed`
 */
export async function scanOrders(
  processor: OrderProcessor,
  filter: OrderFilter,
  { cursor: first, limit }: { readonly cursor?: string | undefined; readonly limit: number },
  bounds: { readonly most: number; readonly ms: number } = { most: mostLooked, ms: mostMs },
  isWanted: (record: OrderRecord) => boolean = () => true,
): Promise<Found> {
  const { code, label, ...stored } = filter;
  const isExact = code === undefined && label === undefined;
  const orders: OrderRecord[] = [];
  const startedAt = performance.now();
  let cursor = first;
  let searchedTo: number | undefined;
  for (let looked = 0; ; ) {
    const left = limit - orders.length;
    const size = isExact ? Math.min(pageSize, left) : pageSize;
    const page = await processor.orders({ ...stored, cursor, limit: size }).catch(refuseCursor);
    orders.push(...page.orders.filter((order) => matches(order, filter) && isWanted(order)));
    looked += Math.max(1, page.orders.length);
    searchedTo = page.orders.at(-1)?.acceptedAt ?? searchedTo;
    cursor = page.cursor;
    const isOver = looked >= bounds.most || performance.now() - startedAt >= bounds.ms;
    if (cursor === undefined || orders.length >= limit || isOver) break;
  }
  return { orders, cursor, searchedTo: cursor === undefined ? undefined : searchedTo };
}

/** @throws OrderError `storage_failed`, HttpError `bad_request` for a cursor that is none */
export async function ordersPage(
  { processor }: Sources,
  filter: OrderFilter,
  page: { readonly cursor: string | undefined; readonly limit: number },
): Promise<OrderListPage> {
  const { orders, cursor, searchedTo } = await scanOrders(processor, filter, page);
  return defined({ orders: orders.map(summaryOf), cursor, searchedTo }) as OrderListPage;
}

/** Whether an order has what the storage does not look at. */
export function matches(
  { code, labels }: Pick<OrderRecord, 'code' | 'labels'>,
  filter: OrderFilter,
): boolean {
  if (filter.code !== undefined && code !== filter.code) return false;
  return filter.label === undefined || labels.includes(filter.label);
}

/** What has exactly this id: an order, a user, or both. */
export async function searchView(
  { processor }: Sources,
  viewer: Viewer,
  id: string,
): Promise<SearchView> {
  const [record, user] = await Promise.all([processor.order(id), userOf(processor, viewer, id)]);
  const order = record !== undefined && maySee(viewer, record.userId) ? record : undefined;
  return defined({ order: order && summaryOf(order), user }) as SearchView;
}

/** A user is known by a balance, or by an order. */
async function userOf(
  processor: OrderProcessor,
  viewer: Viewer,
  userId: string,
): Promise<SearchView['user']> {
  if (!mayActFor(viewer.access, userId)) return undefined;
  const balance = await processor.balance(userId);
  if (balance === undefined) {
    const isBusy = processor.waiting(userId, { limit: 1 }).length > 0;
    const { orders } = isBusy ? { orders: [] } : await processor.orders({ userId, limit: 1 });
    if (!isBusy && orders.length === 0) return undefined;
  }
  return defined({ userId, balance: optionalAmount(balance) }) as SearchView['user'];
}

export const statuses: readonly OrderStatus[] = [
  'pending',
  'processing',
  'completed',
  'failed',
  'canceled',
];

/** All else was checked before. */
export function refuseCursor(error: unknown): never {
  throw error instanceof RangeError ? badRequest(error.message) : error;
}
