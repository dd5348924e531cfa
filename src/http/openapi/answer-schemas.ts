import * as z from 'zod';
import { labels, milliseconds, minorUnits, priority, status, unixMs } from './fields.ts';

const cause = z.object({ name: z.string(), message: z.string() });

const compensation = z.object({
  status: z.enum(['ok', 'error']),
  durationMs: milliseconds,
  attempts: z.int(),
  code: z.string().optional(),
  message: z.string().optional(),
  cause: cause
    .optional()
    .meta({ description: 'What the compensation threw; in records, for operators' }),
  compensations: z.int().optional().meta({
    description: 'How often the step had been compensated before, of an order that held its lane',
  }),
});

export const step = z
  .object({
    name: z.string(),
    status: z.enum(['ok', 'error', 'canceled', 'skipped', 'compensated']),
    durationMs: milliseconds,
    attempts: z.int().meta({ description: 'In the last run of the order; 0 if it never began' }),
    code: z.string().optional(),
    compensation: compensation.optional(),
  })
  .meta({ id: 'Step' });

const appliedPosting = z.object({
  userId: z.string(),
  amount: minorUnits,
  orderedAmount: z.int().meta({ description: 'What was ordered for it, in minor units' }),
  balance: z.int().optional().meta({
    description:
      'Right after it; only once the order has completed, and of users for whom the client acts',
  }),
});

const progress = z
  .object({
    step: z.string(),
    isCompensation: z.boolean(),
    fraction: z.number().min(0).max(1),
    label: z.string().optional(),
  })
  .meta({ description: 'How far a step is, while this process runs it' });

const orderedAmount = z.int().meta({
  description: 'What was ordered, in minor units; a step may have said that another amount is owed',
});
const results = z
  .record(z.string(), z.unknown())
  .meta({ description: 'What its steps have returned, by name' });

export const record = z
  .object({
    id: z.string(),
    userId: z.string(),
    amount: minorUnits,
    orderedAmount,
    priority,
    payload: z.unknown().optional(),
    labels,
    postings: z.array(appliedPosting),
    notBefore: unixMs.optional(),
    expiresAt: unixMs.optional(),
    status,
    acceptedAt: unixMs,
    startedAt: unixMs.optional(),
    settledAt: unixMs.optional(),
    balance: z.int().optional(),
    code: z.string().optional(),
    message: z.string().optional(),
    retryable: z.boolean().optional(),
    steps: z.array(step),
    results,
    progress: progress.optional(),
    retryOf: z.string().optional().meta({ description: 'The order that came again as this one' }),
    retriedAs: z.string().optional().meta({ description: 'The id under which it came again' }),
  })
  .meta({ id: 'OrderRecord', description: 'All that is known of an accepted order' });

export const receipt = z
  .object({
    status: z.literal('completed'),
    orderId: z.string(),
    userId: z.string(),
    amount: minorUnits,
    orderedAmount,
    balance: z.int().meta({ description: 'Right after this order' }),
    acceptedAt: unixMs,
    waitMs: milliseconds,
    durationMs: milliseconds,
    steps: z.array(step),
    results,
    labels,
    postings: z.array(appliedPosting),
    payload: z.unknown().optional(),
  })
  .meta({ id: 'Receipt', description: 'What a completed order gives' });

const issue = z.object({
  path: z.string().meta({
    description:
      'Where in the body, as `payload.items[0].quantity` or `payload["a.b"]`: a JSONPath (RFC 9535) without `$.`; empty for all of it',
  }),
  message: z.string(),
});

const unfulfilled = z.object({
  code: z.string().meta({ description: 'Lower snake case, stable' }),
  message: z.string(),
  outcome: z
    .enum(['refused', 'failed', 'canceled'])
    .optional()
    .meta({ description: 'What became of the order; left out where that is open' }),
  orderId: z.string().optional(),
  userId: z.string().optional(),
  retryable: z.boolean().optional(),
  retryAfterMs: milliseconds.optional(),
  issues: z.array(issue).optional(),
  labels: labels.optional(),
  steps: z.array(step).optional(),
});

export const problem = unfulfilled
  .omit({ message: true })
  .extend({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string().meta({ description: 'For people' }),
    traceId: z
      .string()
      .optional()
      .meta({ description: 'Of the trace in the header `traceparent` of the request' }),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details' });

export const outcomeLine = z
  .union([
    receipt.omit({ payload: true }).extend({ index: z.int() }),
    unfulfilled.extend({ index: z.int(), status: z.enum(['failed', 'canceled', 'refused']) }),
  ])
  .meta({
    id: 'OutcomeLine',
    description: '`index` is the number of the order, from 0 up; blank lines are none',
  });

export const page = z
  .object({
    orders: z.array(record),
    cursor: z.string().optional().meta({ description: 'Absent if there are no more orders' }),
  })
  .meta({
    id: 'OrderPage',
    description:
      'In the order of acceptance, the order accepted last first; a page ends at about 1 MiB',
  });

export const balance = z
  .object({ userId: z.string(), balance: minorUnits })
  .meta({ id: 'Balance' });

export const movement = z
  .object({
    orderId: z.string().optional().meta({
      description: 'Absent if a client of another user has handed in the order',
    }),
    userId: z.string(),
    amount: minorUnits,
    balance: z.int().meta({ description: 'Right after it' }),
    settledAt: unixMs,
    sequence: z.int().meta({ description: 'Its place in the order applied, of all users' }),
  })
  .meta({ id: 'Movement', description: 'One change of a balance' });

export const movementPage = z
  .object({
    movements: z.array(movement),
    cursor: z.string().optional().meta({ description: 'Absent if there are no more now' }),
  })
  .meta({ id: 'MovementPage', description: 'In the order applied, the oldest first' });

export const settledLine = z
  .union([
    z.object({ cursor: z.string(), sequence: z.int(), order: record }),
    z.object({ code: z.string(), message: z.string(), retryable: z.boolean() }),
  ])
  .meta({
    id: 'SettledLine',
    description: 'A settled order, or why the feed ends; blank lines are heartbeats',
  });

const holdFields = {
  userId: z.string(),
  reason: z.string().optional().meta({ description: 'Of a lane that was held by hand' }),
  heldAt: unixMs,
  orderId: z.string().optional().meta({ description: 'The failed order that holds the lane' }),
  code: z.string().optional(),
  message: z.string().optional(),
  cause: cause
    .optional()
    .meta({ description: 'The cause of that order’s error, as what a step threw' }),
  compensated: z
    .array(z.string())
    .optional()
    .meta({ description: 'The steps of that order that were compensated' }),
};

export const hold = z
  .object(holdFields)
  .meta({ id: 'Hold', description: 'A user’s lane that is held' });

export const releasedLane = z
  .object({
    ...holdFields,
    action: z
      .enum(['retry', 'skip'])
      .optional()
      .meta({ description: 'What became of the failed order that held it' }),
    releasedAt: unixMs,
  })
  .meta({ id: 'ReleasedLane', description: 'What held a lane' });

export const holdPage = z
  .object({
    holds: z.array(hold),
    cursor: z.string().optional().meta({ description: 'Absent if there are no more holds' }),
  })
  .meta({ id: 'HoldPage', description: 'In an order of their users that never changes' });
