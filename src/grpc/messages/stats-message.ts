import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Percentiles, ProcessorStats } from '../../core/lifecycle/stats.ts';
import type { ClusterStats } from '../../core/storage/shared-storage.ts';
import type {
  ClusterStatsSchema,
  GetStatsResponseSchema,
} from '../gen/orderprocessor/v1/orders_pb.js';
import { durationOf } from './wire.ts';

function percentilesMessage({ p50, p95, p99, max, mean }: Percentiles) {
  return {
    p50: durationOf(p50),
    p95: durationOf(p95),
    p99: durationOf(p99),
    max: durationOf(max),
    mean: durationOf(mean),
  };
}

export function statsMessage(
  stats: ProcessorStats,
): MessageInitShape<typeof GetStatsResponseSchema> {
  return {
    state: stats.state,
    storage: stats.storage,
    recovered: BigInt(stats.recovered),
    isPaused: stats.isPaused,
    capacity: BigInt(stats.capacity),
    concurrency: BigInt(stats.concurrency),
    accepted: BigInt(stats.accepted),
    refused: BigInt(stats.refused),
    duplicates: BigInt(stats.duplicates),
    completed: BigInt(stats.completed),
    failed: BigInt(stats.failed),
    canceled: BigInt(stats.canceled),
    queueLength: BigInt(stats.queueLength),
    waitingCallers: BigInt(stats.waitingCallers),
    unsettled: BigInt(stats.unsettled),
    activeWorkers: BigInt(stats.activeWorkers),
    stalled: BigInt(stats.stalled),
    wait: percentilesMessage(stats.waitMs),
    duration: percentilesMessage(stats.durationMs),
    oldestWait: durationOf(stats.oldestWaitMs),
    uptime: durationOf(stats.uptimeMs),
    heldLanes: BigInt(stats.heldLanes),
    heldOrders: BigInt(stats.heldOrders),
    scheduled: BigInt(stats.scheduled),
    oldestHold: durationOf(stats.oldestHoldMs),
    ...(stats.cluster && { cluster: clusterMessage(stats.cluster) }),
  };
}

function clusterMessage(cluster: ClusterStats): MessageInitShape<typeof ClusterStatsSchema> {
  return {
    age: durationOf(cluster.ageMs),
    isMember: cluster.isMember,
    processors: cluster.processors.map(({ name, isSelf, joinedAt, beatAgeMs, partitions }) => ({
      ...{ name, isSelf, joinedAt: timestampFromMs(joinedAt) },
      ...{ beatAge: durationOf(beatAgeMs), partitions: BigInt(partitions) },
    })),
    partitions: BigInt(cluster.partitions),
    ownedPartitions: BigInt(cluster.ownedPartitions),
    freePartitions: BigInt(cluster.freePartitions),
    backlog: BigInt(cluster.backlog),
    oldestWait: durationOf(cluster.oldestWaitMs),
  };
}
