import { noLabels, noPostings, type Priority, ranks } from '../../core/order/order.ts';
import type { AppliedPosting, OrderStatus } from '../../core/order/outcome.ts';
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
import { type TimeFields, timeFields } from '../../core/order/times/order-times.ts';
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
import type { Links } from '../links.ts';
import type { Reader } from './wire.ts';

/**
 * Reads orders as `writeRow` writes them, each after a 1, with a 0 after the last. After a 2 comes the id of an order
 * that cannot be read.
 */
export function readOrders(reader: Reader, takeUnreadable: TakeUnreadable): StoredOrder[] {
  const orders: StoredOrder[] = [];
  for (let next = reader.number(); next !== 0; next = reader.number()) {
    if (next === 2) takeUnreadable(beyond(reader.text()));
    else {
      try {
        orders.push(readOrder(reader));
      } catch (error) {
        takeUnreadable(error as UnreadableOrder);
      }
    }
  }
  return orders;
}

/**
 * Reads an order as `writeRow` writes it.
 *
 * @throws UnreadableOrder after all of it was read
 */
export function readOrder(reader: Reader): StoredOrder {
  const id = reader.text();
  const userId = reader.text();
  const amount = reader.number();
  const priority = reader.text();
  const status = reader.text() as OrderStatus;
  const acceptedAt = reader.number();
  const startedAt = reader.maybeNumber() ?? undefined;
  const settledAt = reader.maybeNumber() ?? undefined;
  const balance = reader.maybeNumber() ?? undefined;
  const retryable = reader.maybeNumber();
  const attempt = reader.number();
  const sequence = reader.number();
  const settlement = reader.maybeNumber() ?? undefined;
  const orderedAmount = reader.maybeNumber() ?? amount;
  const code = reader.maybeText() ?? undefined;
  const message = reader.maybeText() ?? undefined;
  const json = reader.maybeText();
  const content = reader.maybeText();
  const labels = reader.maybeText();
  const steps = reader.maybeText();
  const cause = reader.maybeText();
  const decided = reader.maybeText();
  const postings = reader.maybeText();
  const results = reader.maybeText();
  const remembered = reader.maybeText();
  const times = readTimes(reader);
  const links = reader.maybeText();
  const parse = parseKept.bind(undefined, id);
  const payload = json === null ? undefined : parse('payload', json, () => true);
  if (!isPriority(priority)) throw new UnreadableOrder(id, 'its priority is none');
  return {
    id,
    userId,
    amount,
    orderedAmount,
    priority,
    payload,
    labels: (parse('labels', labels, areTexts) as string[] | undefined) ?? noLabels,
    postings: postings === null ? noPostings : postingsIn(parse('postings', postings, arePostings)),
    status,
    acceptedAt,
    startedAt,
    settledAt,
    balance,
    code,
    message,
    retryable: retryable === null ? undefined : retryable === 1,
    cause: parse('cause', cause, isObject) as OrderCause | undefined,
    steps: (parse('steps', steps, areObjects) as StepResult[] | undefined) ?? noSteps,
    results: (parse('results', results, isObject) as StepValues | undefined) ?? noResults,
    content:
      content === null ? payload : (parse('content', content, Array.isArray) as unknown[])[0],
    attempt,
    remembered:
      (parse('remembered', remembered, areObjects) as RememberedStep[] | undefined) ??
      noneRemembered,
    ...notedIn(parse('decided', decided, isObject)),
    sequence,
    settlement,
    ...times,
    ...(links === null ? undefined : linksIn(parse('links', links, isObject) as Links)),
  };
}

function linksIn({ trace, ...links }: Links): Partial<StoredOrder> {
  return { ...retryLinks(links), ...tracedBy(trace) };
}

function readTimes(reader: Reader): TimeFields {
  const notBefore = reader.maybeNumber() ?? undefined;
  return timeFields({ notBefore, expiresAt: reader.maybeNumber() ?? undefined });
}

function postingsIn(value: unknown): AppliedPosting[] {
  return (value as AppliedPosting[]).map(({ userId, amount, orderedAmount = amount, balance }) => ({
    ...{ userId, amount, orderedAmount },
    balance,
  }));
}

/** The column `decided` also has how often the steps were compensated, of an order that is tried again. */
function notedIn(noted: unknown): Pick<StoredOrder, 'decided' | 'compensations'> {
  if (noted === undefined) return { decided: undefined };
  const { compensations, ...decided } = noted as DecidedOutcome & Partial<StoredOrder>;
  const outcome = decided.outcome === undefined ? undefined : decided;
  return compensations === undefined ? { decided: outcome } : { decided: outcome, compensations };
}

function isPriority(value: string): value is Priority {
  return (ranks as readonly string[]).includes(value);
}
