import { inspect } from 'node:util';
import type { OrderRecord } from '../../core/order/outcome.ts';
import { unixTimeAt } from '../../core/runtime/clock.ts';
import { notFound } from '../../server/http-error.ts';
import type { JsonView, OrderView } from '../api.ts';
import type { Sources } from '../sources.ts';
import { maySee, type Viewer } from '../viewer.ts';
import { amount, defined, optionalAmount } from './amounts.ts';
import { causeOf, summaryOf } from './order-summary.ts';
import { stepViews } from './steps.ts';
import { holdOf } from './user.ts';

const longestJson = 65_536;

/** @throws HttpError `not_found`, OrderError `storage_failed` */
export async function orderView(sources: Sources, viewer: Viewer, id: string): Promise<OrderView> {
  const { processor } = sources;
  const record = await processor.order(id);
  // What a person may not see is not there.
  if (record === undefined || !maySee(viewer, record.userId)) {
    throw notFound('There is no such order');
  }
  const hold = await holdOf(processor, viewer, record.userId);
  const [running] = processor.running({ orderId: id });
  const { balance, cause } = record;
  return defined({
    now: unixTimeAt(processor),
    ...summaryOf(record),
    orderedAmount: amount(record.orderedAmount),
    balance: optionalAmount(balance),
    cause: viewer.sees === 'all' ? causeOf(cause) : undefined,
    ...timesOf(record),
    postings: record.postings
      .map((posting) => ({
        userId: posting.userId,
        amount: amount(posting.amount),
        orderedAmount: amount(posting.orderedAmount),
        // The balance of a user that one may not see is not shown.
        balance: maySee(viewer, posting.userId) ? optionalAmount(posting.balance) : undefined,
      }))
      .map(defined),
    steps: stepViews(sources, record, running, viewer.sees === 'all'),
    hold: hold?.orderId === id ? hold : undefined,
    isStalled: running?.isStalled === true ? true : undefined,
    payload: viewer.showPayloads ? jsonView(record.payload) : undefined,
    results: viewer.showResults ? jsonView(record.results) : undefined,
  }) as OrderView;
}

/** Of a running order the page counts on by its own clock. */
function timesOf(record: OrderRecord): { waitMs?: number; durationMs?: number } {
  const { acceptedAt, notBefore = 0, startedAt, settledAt } = record;
  if (startedAt === undefined) return {};
  const waitMs = Math.max(0, startedAt - Math.max(acceptedAt, notBefore));
  return settledAt === undefined ? { waitMs } : { waitMs, durationMs: settledAt - startedAt };
}

/** Cut, since it may be of any length. */
function jsonView(value: unknown): JsonView | undefined {
  if (value === undefined) return undefined;
  const text = textOf(value);
  if (text.length <= longestJson) return { text, isCut: false };
  return { text: text.slice(0, longestJson).toWellFormed(), isCut: true };
}

/** A host's schema and steps may return what is no JSON. */
function textOf(value: unknown): string {
  try {
    const text = JSON.stringify(value, undefined, 2);
    if (text !== undefined) return text;
  } catch {
    // Shown as a debugger would.
  }
  try {
    return inspect(value, { depth: 4 });
  } catch {
    return typeof value;
  }
}
