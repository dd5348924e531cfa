import type { OrderRecord } from '../../core/order/outcome.ts';
import { checkOperator } from '../../server/access.ts';
import type { OrderFilter, PreviewRequest, PreviewView, Status } from '../api.ts';
import type { Sources } from '../sources.ts';
import { checkSees, checkSeesAll, type Viewer } from '../viewer.ts';
import { summaryOf } from '../views/order-summary.ts';
import { scanOrders } from '../views/orders.ts';
import { checkOperates } from './act.ts';
import { mostTargets } from './read-action.ts';

const sampleSize = 10;
/** A search of all orders of a storage ends after this. */
const bounds = { most: 100_000, ms: 5_000 };

const statusesOf: Readonly<Record<'cancel' | 'retry' | 'compensate', readonly Status[]>> = {
  cancel: ['processing', 'pending'],
  retry: ['failed', 'canceled'],
  compensate: ['failed', 'canceled'],
};

/** Finds what an action would be done to: exactly that is sent with the action. */
export async function preview(
  sources: Sources,
  viewer: Viewer,
  request: PreviewRequest,
): Promise<PreviewView> {
  checkOperates(viewer);
  if (request.action === 'release') {
    checkSeesAll(viewer);
    return previewLanes(sources, request.code);
  }
  const { userId } = request.filter;
  checkSees(viewer, userId);
  if (request.action === 'compensate') checkOperator(viewer.access);
  return previewOrders(sources, request.action, request.filter);
}

async function previewOrders(
  { processor }: Sources,
  action: 'cancel' | 'retry' | 'compensate',
  filter: OrderFilter,
): Promise<PreviewView> {
  const wanted = statusesOf[action].filter(
    (status) => filter.status === undefined || filter.status === status,
  );
  const orders: OrderRecord[] = [];
  let hasMore = false;
  for (const status of wanted) {
    const limit = mostTargets - orders.length;
    if (limit === 0) break;
    const scan = { ...filter, status };
    const found = await scanOrders(processor, scan, { limit }, bounds, (record) =>
      isFor(action, record),
    );
    orders.push(...found.orders);
    hasMore ||= found.cursor !== undefined;
  }
  // An order may have begun between two lists.
  const byId = new Map(orders.slice(0, mostTargets).map((record) => [record.id, record]));
  hasMore ||= orders.length > mostTargets;
  const sample = [...byId.values()].slice(0, sampleSize).map(summaryOf);
  const uncompensated = action === 'retry' ? [...byId.values()].filter(isUncompensated).length : 0;
  return {
    ...{ count: byId.size, hasMore, orderIds: [...byId.keys()], sample },
    ...(uncompensated > 0 && { uncompensated }),
  };
}

function isFor(action: 'cancel' | 'retry' | 'compensate', record: OrderRecord): boolean {
  if (action === 'cancel') return true;
  if (action === 'retry') return record.retriedAs === undefined;
  return isUncompensated(record);
}

/** Whether a compensation of an order failed. */
function isUncompensated({ steps }: OrderRecord): boolean {
  return steps.some(({ compensation }) => compensation?.status === 'error');
}

async function previewLanes(
  { processor }: Sources,
  code: string | undefined,
): Promise<PreviewView> {
  const lanes: { userId: string; orderId?: string }[] = [];
  let cursor: string | undefined;
  for (let calls = 0; calls < bounds.most / 1_000; calls += 1) {
    const page = await processor.holds({ cursor, limit: 1_000 });
    for (const { userId, orderId, code: found } of page.holds) {
      if (code !== undefined && code !== found) continue;
      lanes.push(orderId === undefined ? { userId } : { userId, orderId });
    }
    cursor = page.cursor;
    if (cursor === undefined || lanes.length > mostTargets) break;
  }
  const hasMore = cursor !== undefined || lanes.length > mostTargets;
  const targets = lanes.slice(0, mostTargets);
  return { count: targets.length, hasMore, lanes: targets, sample: [] };
}
