import { unixTimeAt } from '../../core/runtime/clock.ts';
import type { AttentionView, LanePage, StalledView } from '../api.ts';
import type { Sources } from '../sources.ts';
import { defined } from './amounts.ts';
import { laneOf } from './order-summary.ts';
import { refuseCursor } from './orders.ts';

const mostLanes = 50;
const mostStalled = 50;

/** @throws OrderError `storage_failed` */
export async function attentionView(sources: Sources): Promise<AttentionView> {
  const { processor, observer } = sources;
  const stats = processor.stats();
  const { isPaused, heldLanes, heldOrders, stalled: stalledOrders, cluster } = stats;
  // A storage that fails is the first thing to be seen, and cannot give the holds.
  const isAsked = stats.storage !== 'failing' && (heldLanes > 0 || cluster !== undefined);
  const lanes = isAsked ? (await lanePage(sources, undefined, mostLanes)).lanes : [];
  return defined({
    ...{ now: unixTimeAt(processor), storage: observer.storage(stats.storage), isPaused },
    ...{ heldLanes: Math.max(heldLanes, lanes.length), heldOrders, lanes },
    failures: observer.failures.views(unixTimeAt(processor)),
    ...{ stalledOrders, stalled: stalledOrders === 0 ? [] : stalledOf(sources) },
    errors: observer.errors,
    freePartitions: cluster?.freePartitions,
  }) as AttentionView;
}

/** @throws OrderError `storage_failed`, HttpError `bad_request` for a cursor that is none */
export async function lanePage(
  { processor }: Sources,
  cursor: string | undefined,
  limit: number,
): Promise<LanePage> {
  const page = await processor.holds({ cursor, limit }).catch(refuseCursor);
  const next = page.cursor === undefined ? {} : { cursor: page.cursor };
  return { lanes: page.holds.map(laneOf), ...next };
}

function stalledOf({ processor }: Sources): StalledView[] {
  const running = processor.running({ isStalled: true, limit: mostStalled });
  return running.map(({ orderId, userId, startedAt, steps }) => ({
    ...{ orderId, userId, startedAt },
    steps: steps.filter(({ state }) => state === 'running').map(({ name }) => name),
  }));
}
