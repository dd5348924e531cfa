import type { Percentiles, ProcessorStats } from '../../core/lifecycle/stats.ts';
import { unixTimeAt } from '../../core/runtime/clock.ts';
import type { OverviewView, PercentilesView, ProcessorsView, StatsView } from '../api.ts';
import type { Sources } from '../sources.ts';
import { defined } from './amounts.ts';

export function statsView({ processor, observer }: Sources): StatsView {
  const stats: ProcessorStats = processor.stats();
  const { state, isPaused, accepted, refused, completed, failed, canceled } = stats;
  const { unsettled, capacity, scheduled, activeWorkers, concurrency, stalled } = stats;
  const { heldLanes, heldOrders, oldestWaitMs, uptimeMs, storageSizes } = stats;
  return defined({
    ...{ now: unixTimeAt(processor), state, storage: observer.storage(stats.storage), isPaused },
    ...{ accepted, refused, completed, failed, canceled, waiting: stats.queueLength },
    ...{ unsettled, capacity, scheduled, activeWorkers, concurrency, stalled },
    ...{ heldLanes, heldOrders, oldestWaitMs, uptimeMs },
    waitMs: percentilesOf(stats.waitMs),
    durationMs: percentilesOf(stats.durationMs),
    storageBytes:
      storageSizes &&
      Object.values(storageSizes).reduce((sum: number, each) => sum + Number(each ?? 0), 0),
  }) as StatsView;
}

function percentilesOf({ p50, p95, p99, max }: Percentiles): PercentilesView {
  return { p50, p95, p99, max };
}

/** @param step - the distance of points in seconds */
export function overviewView(sources: Sources, step: number): OverviewView {
  const points = sources.observer.series.points(step);
  const to = points.at(-1)?.at ?? unixTimeAt(sources.processor);
  return { stats: statsView(sources), series: { to, stepMs: step * 1_000, points } };
}

export function processorsView({ processor }: Sources): ProcessorsView {
  const { cluster } = processor.stats();
  const now = unixTimeAt(processor);
  if (cluster === undefined) return { now };
  const { ageMs, isMember, partitions, ownedPartitions, freePartitions, backlog } = cluster;
  const processors = cluster.processors.map((each) => ({
    ...{ name: each.name, isSelf: each.isSelf, joinedAt: each.joinedAt },
    ...{ beatAgeMs: each.beatAgeMs, partitions: each.partitions },
  }));
  const { oldestWaitMs } = cluster;
  return {
    now,
    cluster: {
      ...{ ageMs, isMember, processors, partitions, ownedPartitions, freePartitions },
      ...{ backlog, oldestWaitMs },
    },
  };
}
