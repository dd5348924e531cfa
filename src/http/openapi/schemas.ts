import * as z from 'zod';
import { issueOf, mostIssues, placeOf } from '../../core/order/order-error.ts';
import { isCursor } from '../../core/queries/cursor.ts';
import { HttpError, type HttpErrorCode } from '../../server/http-error.ts';
import { preferredWaitMs } from '../request/prefer.ts';

const longestName = 256;

/** URLs drop `.` and `..`, however they are encoded: nothing of such a name could be requested. */
export const name = z
  .string()
  .min(1)
  .max(longestName, { abort: true })
  // `max` counts code points, as JSON Schema does.
  .refine((text) => text.length <= longestName, `Expected at most ${longestName} UTF-16 code units`)
  .refine((text) => text.isWellFormed(), 'Expected well-formed Unicode')
  .refine((text) => text !== '.' && text !== '..', 'Expected a name other than `.` and `..`')
  .meta({ description: 'Well-formed Unicode, neither `.` nor `..`' });

const labels = z.array(z.string()).meta({ description: 'What rules said of the order' });
const milliseconds = z.int().nonnegative();
const unixMs = z.int().nonnegative().meta({ description: 'Unix milliseconds' });
const minorUnits = z.int().meta({ description: 'In minor units (cents)' });
const status = z.enum(['pending', 'processing', 'completed', 'failed', 'canceled']);
const priority = z.enum(['high', 'medium', 'low']);

/** What `POST /orders` takes, and a line of `POST /orders/batch`. */
export const orderInput = z
  .strictObject({
    id: name.optional().meta({ description: 'The idempotency key; generated when absent' }),
    userId: name,
    amount: z.int().meta({ description: 'In minor units (cents); negative is a debit' }),
    priority: priority.optional().meta({ description: '`medium` by default' }),
    payload: z.unknown().optional(),
  })
  .meta({ id: 'Order' });

/** As in structured fields (RFC 8941): ASCII alone, since the bytes of a header have no encoding. */
const quotedCharacter = String.raw`(?:[ !#-\[\]-~]|\\["\\])`;
/** No character that makes a list, parameters or a string: two keys are not one. */
const bareCharacter = '[ !#-+.-:<-~-]';

/** The header `Idempotency-Key`: a string in quotes, or as it is. */
export const idempotencyKey = z.union([
  z
    .string()
    // The length stands here for the OpenAPI document, which describes the text as it is sent.
    .regex(new RegExp(`^"${quotedCharacter}{1,${longestName}}"$`))
    .transform((text) => text.slice(1, -1).replace(/\\(.)/g, '$1'))
    .pipe(name),
  name.regex(new RegExp(`^${bareCharacter}+$`)),
]);

/** The header `Prefer`, of which only `wait=N` counts, as the milliseconds that it asks for. */
export const preferredWait = z.string().transform(preferredWaitMs);

/** @param most - the greatest number it may be */
const digits = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,16}$/, 'Expected an integer')
    .transform(Number)
    .pipe(z.int().min(least).max(most));

export const listQuery = z.strictObject({
  userId: name.optional(),
  status: status.optional(),
  acceptedFrom: digits(0, Number.MAX_SAFE_INTEGER).optional(),
  acceptedBefore: digits(0, Number.MAX_SAFE_INTEGER).optional(),
  limit: digits(1, 1_000).optional().meta({
    description:
      'Orders on a page at most; 100 by default. A page may have fewer even if there are more: `cursor` says',
  }),
  cursor: z
    .string()
    .min(1)
    .max(2_048)
    .refine(isCursor, 'Expected the `cursor` of a page')
    .optional()
    .meta({ description: 'Of the page before, as it came' }),
});

export const eventsQuery = z.strictObject({
  userId: name.optional(),
  lastEventId: z.string().max(64).optional().meta({
    description: 'In place of the header `Last-Event-ID`, which a new `EventSource` cannot send',
  }),
});
/** Of one order. */
export const orderQuery = z.strictObject({
  userId: name.optional().meta({
    description: 'Whose order it is; to be named by a client that acts for several users',
  }),
});
export const noQuery = z.strictObject({});

const compensation = z.object({
  status: z.enum(['ok', 'error']),
  durationMs: milliseconds,
  attempts: z.int(),
  code: z.string().optional(),
  message: z.string().optional(),
});

export const step = z
  .object({
    name: z.string(),
    status: z.enum(['ok', 'error', 'canceled', 'skipped', 'compensated']),
    durationMs: milliseconds,
    attempts: z.int(),
    code: z.string().optional(),
    compensation: compensation.optional(),
  })
  .meta({ id: 'Step' });

const orderedAmount = z.int().meta({
  description: 'What was ordered, in minor units; a step may have said that another amount is owed',
});
const results = z
  .record(z.string(), z.unknown())
  .meta({ description: 'What its steps have returned, by name' });
const progress = z
  .object({
    step: z.string(),
    isCompensation: z.boolean(),
    fraction: z.number().min(0).max(1),
    label: z.string().optional(),
  })
  .meta({ description: 'How far its steps are, while it is processed' });

export const record = z
  .object({
    id: z.string(),
    userId: z.string(),
    amount: minorUnits,
    orderedAmount,
    priority,
    payload: z.unknown().optional(),
    labels,
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
    payload: z.unknown().optional(),
  })
  .meta({ id: 'Receipt', description: 'What a completed order gives' });

const issue = z.object({ path: z.string(), message: z.string() });

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
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details' });

export const outcomeLine = z
  .union([
    receipt.omit({ payload: true, results: true }).extend({ index: z.int() }),
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

export const health = z
  .object({
    status: z.enum(['ok', 'unavailable']),
    reasons: z.array(z.enum(['shut_down', 'storage_failed', 'recovering', 'queue_full'])),
  })
  .meta({ id: 'Health' });

const percentiles = z.object({
  p50: z.number(),
  p95: z.number(),
  p99: z.number(),
  max: z.number(),
  mean: z.number(),
});

export const stats = z
  .object({
    state: z.enum(['running', 'draining', 'closed']),
    storage: z.enum(['ready', 'recovering', 'failing']),
    storageSizes: z.object({ fileBytes: z.int(), logBytes: z.int() }).optional(),
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

/**
 * Checks a value of a request.
 *
 * @throws HttpError 400 with the issues
 */
export function check<T>(
  schema: z.ZodType<T>,
  value: unknown,
  code: HttpErrorCode | 'invalid_order',
): T {
  const result = schema.safeParse(value, { reportInput: false });
  if (result.success) return result.data;
  const issues = result.error.issues
    .slice(0, mostIssues)
    .map(({ path, message }) => issueOf(placeOf(path), message));
  const [first] = issues;
  const place = first?.path === '' ? '' : `${first?.path}: `;
  throw new HttpError(400, code, `${place}${first?.message}`, { issues });
}
