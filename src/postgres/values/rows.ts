import {
  noLabels,
  noPostings,
  type Posting,
  type Priority,
  ranks,
} from '../../core/order/order.ts';
import type { AppliedPosting } from '../../core/order/outcome.ts';
import { appliedPostings } from '../../core/order/receipt.ts';
import { retryLinks } from '../../core/order/retry/retry-links.ts';
import {
  noneRemembered,
  noResults,
  noSteps,
  type OrderCause,
  type RememberedStep,
  type StepResult,
  type StepValues,
} from '../../core/order/step-result.ts';
import type { DecidedOutcome, StoredOrder } from '../../core/order/stored-order.ts';
import { timeFields } from '../../core/order/times/order-times.ts';
import { tracedBy } from '../../core/order/trace/trace-context.ts';
import {
  areObjects,
  arePostings,
  areTexts,
  isObject,
  parseKept,
} from '../../core/storage/reading/kept-json.ts';
import {
  beyond,
  type TakeUnreadable,
  UnreadableOrder,
} from '../../core/storage/reading/unreadable-orders.ts';
import { fromKept } from './kept-text.ts';

/** A status is kept as its place here. */
export const statuses = ['pending', 'completed', 'failed', 'canceled'] as const;

/** What a read selects of an order `o` of `orders`. */
const acceptedColumns = `o.seq, o.id, o.user_id, o.amount, o.priority, o.accepted_at, o.not_before,
  o.expires_at, o.payload, o.content, o.labels, o.postings, o.retry_of, o.trace`;

/** What a read selects of an unsettled order: besides `o`, of its row `p` of `pending`, and of `t` of `partitions`. */
export const pendingColumns = `${acceptedColumns}, t.epoch - p.epoch AS losses, p.decided,
  p.compensations, p.remembered`;

/** The order that came again is the newest that says so. */
const outcomeColumns = `s.settlement, s.amount AS settled_amount,
  s.started_at, s.settled_at, s.balance, s.status, s.retryable, s.code, s.message, s.cause, s.steps,
  s.results, s.postings AS settled_postings, s.balances::text AS balances,
  CASE WHEN s.status > 1 THEN (SELECT r.id FROM orders r WHERE r.retry_of = o.id
    ORDER BY r.retry_of DESC, r.seq DESC LIMIT 1) END AS retried_as`;

/** What a read selects of a settled order: besides `o`, of its row `s` of `outcomes`. */
export const settledColumns = `${acceptedColumns}, ${outcomeColumns}`;

/** What a read selects of any order: of `o`, `s`, `p` and `t`. */
export const orderColumns = `${pendingColumns}, ${outcomeColumns}`;

/** The row `s` of an order `o`, to be joined; see {@link besideOrder}. */
export const besideSettled =
  'LEFT JOIN LATERAL (SELECT * FROM outcomes WHERE seq = o.seq OFFSET 0) s ON true';

/**
 * The rows `s`, `p` and `t` of an order `o`, to be joined. `OFFSET 0` keeps each look-up one by its index: what the
 * planner knows of `pending`, which is empty at times, must not turn them into a scan.
 */
export const besideOrder = `${besideSettled}
  LEFT JOIN LATERAL (SELECT * FROM pending WHERE seq = o.seq OFFSET 0) p ON true
  LEFT JOIN LATERAL (SELECT epoch FROM partitions WHERE part = p.part OFFSET 0) t ON true`;

/** A row of {@link orderColumns}, {@link pendingColumns} or {@link settledColumns}. A number beyond the safe integers is a `bigint`. */
export interface OrderRow {
  readonly seq: number;
  readonly id: string;
  readonly user_id: string;
  readonly amount: number;
  readonly priority: number;
  readonly accepted_at: number;
  readonly not_before: number | null;
  readonly expires_at: number | null;
  readonly payload: string | null;
  readonly content: string | null;
  readonly labels: string | null;
  readonly postings: string | null;
  readonly retry_of: string | null;
  readonly trace?: string | null;
  /** How often the partition was lost since the order was accepted. */
  readonly losses?: number | null;
  readonly decided?: string | null;
  readonly compensations?: string | null;
  readonly remembered?: string | null;
  readonly settlement?: number | null;
  readonly settled_amount?: number | null;
  readonly started_at?: number | null;
  readonly settled_at?: number | null;
  readonly balance?: number | null;
  readonly status?: number | null;
  readonly retryable?: boolean | null;
  readonly code?: string | null;
  readonly message?: string | null;
  readonly cause?: string | null;
  readonly steps?: string | null;
  readonly results?: string | null;
  readonly settled_postings?: string | null;
  readonly balances?: string | null;
  readonly retried_as?: string | null;
}

/** The columns that are numbers, but `seq` and those that are small. */
const numbers = [
  'amount',
  'accepted_at',
  'not_before',
  'expires_at',
  'settlement',
  'settled_amount',
  'started_at',
  'settled_at',
  'balance',
] as const;

/** The columns of texts that may be long. */
const texts = [
  'payload',
  'content',
  'labels',
  'postings',
  'decided',
  'remembered',
  'message',
  'cause',
  'steps',
  'results',
  'settled_postings',
] as const;

/** About how long a row is, in characters. */
export function sizeOf(row: OrderRow): number {
  let size = 0;
  for (const column of texts) size += row[column]?.length ?? 0;
  return size;
}

/** The orders of rows, without those that cannot be read. */
export function ordersOf(
  rows: readonly OrderRow[],
  takeUnreadable: TakeUnreadable,
): readonly StoredOrder[] {
  const orders: StoredOrder[] = [];
  for (const row of rows) {
    try {
      orders.push(orderOf(row));
    } catch (error) {
      takeUnreadable(error as UnreadableOrder);
    }
  }
  return orders;
}

/** @throws UnreadableOrder */
export function orderOf(row: OrderRow): StoredOrder {
  const id = fromKept(row.id);
  for (const column of numbers) {
    if (typeof row[column] === 'bigint') throw beyond(id);
  }
  const { amount } = row;
  const message = row.message ?? undefined;
  const parse = parseKept.bind(undefined, id);
  const payload = row.payload === null ? undefined : parse('payload', row.payload, () => true);
  return {
    id,
    userId: fromKept(row.user_id),
    amount: row.settled_amount ?? amount,
    orderedAmount: amount,
    priority: priorityOf(id, row.priority),
    payload,
    labels: (parse('labels', row.labels, areTexts) as string[] | undefined) ?? noLabels,
    postings: postingsOf(id, row),
    status: statuses[row.status ?? 0] ?? unknownStatus(id),
    acceptedAt: row.accepted_at,
    startedAt: row.started_at ?? undefined,
    settledAt: row.settled_at ?? undefined,
    balance: row.balance ?? undefined,
    code: row.code ?? undefined,
    message: message === undefined ? undefined : fromKept(message),
    retryable: row.retryable ?? undefined,
    cause: parse('cause', row.cause, isObject) as OrderCause | undefined,
    steps: (parse('steps', row.steps, areObjects) as StepResult[] | undefined) ?? noSteps,
    results: (parse('results', row.results, isObject) as StepValues | undefined) ?? noResults,
    content:
      row.content === null
        ? payload
        : (parse('content', row.content, Array.isArray) as unknown[])[0],
    attempt: 1 + (row.losses ?? 0),
    remembered:
      (parse('remembered', row.remembered, areObjects) as RememberedStep[] | undefined) ??
      noneRemembered,
    decided: parse('decided', row.decided, isObject) as DecidedOutcome | undefined,
    ...compensationsOf(id, row),
    sequence: row.seq,
    settlement: row.settlement ?? undefined,
    ...timeFields({
      notBefore: row.not_before ?? undefined,
      expiresAt: row.expires_at ?? undefined,
    }),
    ...retryLinks({ retryOf: idIn(row.retry_of), retriedAs: idIn(row.retried_as) }),
    ...tracedBy(row.trace),
  };
}

function idIn(kept: string | null | undefined): string | undefined {
  return kept === null || kept === undefined ? undefined : fromKept(kept);
}

function priorityOf(id: string, place: number): Priority {
  const priority = ranks[place];
  if (priority === undefined) throw new UnreadableOrder(id, 'its priority is none');
  return priority;
}

function unknownStatus(id: string): never {
  throw new UnreadableOrder(id, 'its status is none');
}

function compensationsOf(id: string, row: OrderRow): Pick<StoredOrder, 'compensations'> {
  const compensations = parseKept(id, 'compensations', row.compensations, isObject);
  if (compensations === undefined) return {};
  return { compensations: compensations as Readonly<Record<string, number>> };
}

/** What was settled, with what was ordered and the balance after each. */
function postingsOf(id: string, row: OrderRow): readonly AppliedPosting[] {
  const ordered = postingsIn(id, row.postings);
  if (ordered === undefined) return noPostings;
  const settled = postingsIn(id, row.settled_postings);
  const final = settled?.map(({ userId, amount }, at) => {
    return { userId, amount, orderedAmount: ordered[at]?.amount };
  });
  if (typeof row.balances !== 'string') return appliedPostings(final ?? ordered);
  const balances = row.balances.slice(1, -1).split(',').map(Number);
  if (balances.length !== ordered.length || !balances.every(Number.isSafeInteger)) {
    throw new UnreadableOrder(id, 'the balances after its postings are not what they must be');
  }
  return appliedPostings(final ?? ordered, balances);
}

function postingsIn(id: string, json: string | null | undefined): readonly Posting[] | undefined {
  return parseKept(id, 'postings', json, arePostings) as readonly Posting[] | undefined;
}
