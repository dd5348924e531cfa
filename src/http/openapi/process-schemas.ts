import * as z from 'zod';
import { unixMs } from './fields.ts';

export const health = z
  .object({
    status: z.enum(['ok', 'unavailable']),
    reasons: z.array(z.enum(['shut_down', 'storage_failed', 'recovering', 'queue_full'])),
    heldLanes: z.int().optional().meta({ description: 'How many lanes are held, if any' }),
    oldestHoldMs: z.number().optional().meta({ description: 'For how long the oldest hold is' }),
  })
  .meta({ id: 'Health' });

const percentiles = z.object({
  p50: z.number(),
  p95: z.number(),
  p99: z.number(),
  max: z.number(),
  mean: z.number(),
});

const cluster = z.object({
  ageMs: z.number().meta({ description: 'How long ago it was read from the storage' }),
  isMember: z.boolean(),
  processors: z.array(
    z.object({
      name: z.string(),
      isSelf: z.boolean(),
      joinedAt: unixMs,
      beatAgeMs: z.number(),
      partitions: z.int(),
    }),
  ),
  partitions: z.int(),
  ownedPartitions: z.int(),
  freePartitions: z.int(),
  backlog: z.int(),
  oldestWaitMs: z.number(),
});

export const stats = z
  .object({
    state: z.enum(['running', 'draining', 'closed']),
    storage: z.enum(['ready', 'recovering', 'failing']),
    storageSizes: z.object({ fileBytes: z.int(), logBytes: z.int() }).optional(),
    cluster: cluster.optional().meta({ description: 'Of all processors; the rest is of this one' }),
    recovered: z.int(),
    isPaused: z.boolean(),
    capacity: z.int(),
    concurrency: z.int(),
    accepted: z.int(),
    refused: z.int(),
    duplicates: z.int(),
    completed: z.int(),
    failed: z.int(),
    canceled: z.int(),
    queueLength: z.int(),
    waitingCallers: z.int(),
    unsettled: z.int(),
    scheduled: z.int(),
    activeWorkers: z.int(),
    stalled: z.int(),
    heldLanes: z.int(),
    heldOrders: z.int(),
    oldestHoldMs: z.number(),
    waitMs: percentiles,
    durationMs: percentiles,
    oldestWaitMs: z.number(),
    uptimeMs: z.number(),
  })
  .meta({ id: 'Stats' });
