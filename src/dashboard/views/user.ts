import type { OrderRecord } from '../../core/order/outcome.ts';
import type { OrderProcessor } from '../../core/order-processor.ts';
import { unixTimeAt } from '../../core/runtime/clock.ts';
import type { LaneView, UserView } from '../api.ts';
import type { Sources } from '../sources.ts';
import type { Viewer } from '../viewer.ts';
import { defined, optionalAmount } from './amounts.ts';
import { laneOf, summaryOf } from './order-summary.ts';

const mostWaiting = 100;
const mostSettled = 20;
const mostRunning = 20;
/** How many of the orders accepted last are looked at. */
const mostLooked = 200;

/** @throws OrderError `storage_failed` */
export async function userView(
  { processor }: Sources,
  viewer: Viewer,
  userId: string,
): Promise<UserView> {
  const [balance, hold, running, lists] = await Promise.all([
    processor.balance(userId),
    holdOf(processor, viewer, userId),
    runningOf(processor, userId),
    listsOf(processor, userId),
  ]);
  return defined({
    ...{ now: unixTimeAt(processor), userId, balance: optionalAmount(balance), hold },
    ...{ running: running.map(summaryOf), ...lists },
  }) as UserView;
}

/** The hold of a user's lane; the cause of a failure is for who sees all. */
export async function holdOf(
  processor: OrderProcessor,
  { sees }: Viewer,
  userId: string,
): Promise<LaneView | undefined> {
  const [hold] = (await processor.holds({ userId })).holds;
  if (hold === undefined) return undefined;
  const { cause, ...lane } = laneOf(hold);
  return sees === 'all' && cause !== undefined ? { ...lane, cause } : lane;
}

async function runningOf(processor: OrderProcessor, userId: string): Promise<OrderRecord[]> {
  const running = processor.running({ userId, limit: mostRunning });
  const records = await Promise.all(running.map(({ orderId }) => processor.order(orderId)));
  return records.filter((record) => record !== undefined);
}

async function listsOf(
  processor: OrderProcessor,
  userId: string,
): Promise<Pick<UserView, 'waiting' | 'hasMoreWaiting' | 'scheduled' | 'settled'>> {
  const now = unixTimeAt(processor);
  const lane = processor.waiting(userId, { limit: mostWaiting + 1 });
  const isHere = lane.length > 0;
  const latest = await processor.orders({ userId, limit: mostLooked });
  const pending = latest.orders.filter(({ status }) => status === 'pending');
  const known = latest.orders.filter(({ settledAt }) => settledAt !== undefined);
  const isAll = latest.cursor === undefined || known.length >= mostSettled;
  // Where so many wait that the settled ones are further down.
  const settled = isAll ? known.slice(0, mostSettled) : await lastSettled(processor, userId);
  const isScheduled = ({ notBefore = 0 }: OrderRecord): boolean => notBefore > now;
  // Where another processor has the lane, what the storage knows of it: the last accepted is the last of the lane.
  const elsewhere = pending.filter((order) => !isScheduled(order)).toReversed();
  const waiting = isHere ? lane : elsewhere;
  const scheduled = pending.filter(isScheduled).toSorted(bySoonest);
  return {
    waiting: waiting.slice(0, mostWaiting).map(summaryOf),
    hasMoreWaiting:
      waiting.length > mostWaiting ||
      (!isHere && latest.cursor !== undefined && pending.length > 0),
    scheduled: scheduled.slice(0, mostWaiting).map(summaryOf),
    settled: settled.map(summaryOf),
  };
}

function bySoonest(one: OrderRecord, other: OrderRecord): number {
  return (one.notBefore ?? 0) - (other.notBefore ?? 0);
}

async function lastSettled(processor: OrderProcessor, userId: string): Promise<OrderRecord[]> {
  const pages = await Promise.all(
    (['completed', 'failed', 'canceled'] as const).map((status) =>
      processor.orders({ userId, status, limit: mostSettled }),
    ),
  );
  return pages
    .flatMap(({ orders }) => orders)
    .sort((one, other) => other.acceptedAt - one.acceptedAt)
    .slice(0, mostSettled);
}
