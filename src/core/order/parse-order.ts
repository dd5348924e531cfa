import { show } from '../runtime/thrown.ts';
import { nextOrderId } from '../runtime/uuid-v7.ts';
import type { AcceptedOrder, Order, Posting, Priority } from './order.ts';
import { noLabels, noPostings, ranks } from './order.ts';
import { OrderError } from './order-error.ts';
import type { RetryLinks } from './retry/retry-links.ts';
import {
  isTime,
  OrderTimes,
  type TimeFields,
  timeFields,
  timeForm,
  timesOf,
} from './times/order-times.ts';
import {
  readTraceText,
  type TraceContext,
  traceContextOf,
  traceTextOf,
} from './trace/trace-context.ts';

/** The most characters (UTF-16 code units) that an `id` or a `userId` may have. */
export const maxIdLength = 256;

/** A checked copy of an order. */
export class ParsedOrder implements AcceptedOrder {
  readonly id: string;
  readonly userId: string;
  readonly amount: number;
  /** The priority as a number: 0 is the most urgent. Rules may change it. */
  rank: number;
  /** A schema may make another of it. */
  payload: unknown;
  /** Rules give them. */
  labels: readonly string[];
  /** Of the id; 0 before it is known. */
  hash = 0;
  /** The payload as handed in, where the schema has made another of it; else not even a field. */
  declare input?: unknown;
  /** The postings, where there are any; else not even a field. */
  declare ownPostings?: readonly Posting[];
  /** When it may begin; not even a field where it may at any time. */
  declare times?: OrderTimes | undefined;
  /** The order that came again as this one; not even a field where there is none. */
  declare retryOf?: string | undefined;
  /** The trace in which it was handed in, as text; not even a field where there is none. */
  declare traceText?: string | undefined;

  constructor(
    id: string,
    userId: string,
    amount: number,
    rank: number,
    payload: unknown,
    labels: readonly string[],
  ) {
    this.id = id;
    this.userId = userId;
    this.amount = amount;
    this.rank = rank;
    this.payload = payload;
    this.labels = labels;
  }

  get priority(): Priority {
    return ranks[this.rank] as Priority;
  }

  get postings(): readonly Posting[] {
    return this.ownPostings ?? noPostings;
  }

  get traceContext(): TraceContext | undefined {
    return this.traceText === undefined ? undefined : traceContextOf(this.traceText);
  }

  /** Takes what is no content from the order that the storage has. */
  takeFrom(
    order: TimeFields & RetryLinks & { readonly traceContext?: TraceContext | undefined },
  ): void {
    const times = timesOf(order);
    if (times !== undefined || this.times !== undefined) this.times = times;
    if (order.retryOf !== undefined) this.retryOf = order.retryOf;
    const traceText = order.traceContext && traceTextOf(order.traceContext);
    if (traceText !== this.traceText) this.traceText = traceText;
  }

  /** Gives a copy of this order the fields that only some orders have. */
  completeCopy(copy: ParsedOrder): void {
    if (this.content !== this.payload) copy.input = this.content;
    if (this.ownPostings !== undefined) copy.ownPostings = this.ownPostings;
    if (this.times !== undefined) copy.times = this.times;
    if (this.retryOf !== undefined) copy.retryOf = this.retryOf;
    if (this.traceText !== undefined) copy.traceText = this.traceText;
  }

  /** As records say it. */
  get orderedAmount(): number {
    return this.amount;
  }

  /** What rules and steps see. */
  toOrder(): AcceptedOrder {
    const { id, userId, amount, priority, payload, labels, postings, times, retryOf } = this;
    const order = { id, userId, amount, priority, payload, labels, postings };
    if (times === undefined && retryOf === undefined) return Object.freeze(order);
    const fields = times && timeFields(times);
    return Object.freeze({ ...order, ...fields, ...(retryOf !== undefined && { retryOf }) });
  }

  /** What events and errors say of it. */
  get facts(): { orderId: string; userId: string; labels: readonly string[] } {
    const { id: orderId, userId, labels } = this;
    return { orderId, userId, labels };
  }

  /** What its caller handed in, by which the same id is the same order or a conflict. */
  get content(): unknown {
    return 'input' in this ? this.input : this.payload;
  }
}

/**
 * Checks an order and copies it, reading each field once.
 *
 * @param Copy - the class of the copy
 * @param mayHavePostings - whether the storage applies postings
 * @throws OrderError `invalid_order`
 */
export function parseOrder<T extends ParsedOrder>(
  input: unknown,
  Copy: new (...fields: ConstructorParameters<typeof ParsedOrder>) => T,
  mayHavePostings: boolean,
): T {
  if (typeof input !== 'object' || input === null) throw invalid('order', 'an object', input);
  let fields: Record<keyof Order, unknown>;
  let id: unknown;
  let userId: unknown;
  let amount: unknown;
  let priority: unknown;
  let payload: unknown;
  let postings: unknown;
  let notBefore: unknown;
  let expiresAt: unknown;
  let traceText: string | undefined;
  try {
    fields = input as Record<keyof Order, unknown>;
    id = fields.id;
    userId = fields.userId;
    amount = fields.amount;
    priority = fields.priority;
    payload = fields.payload;
    postings = fields.postings;
    notBefore = fields.notBefore;
    expiresAt = fields.expiresAt;
    const { traceContext } = fields;
    if (traceContext !== undefined) traceText = readTraceText(traceContext);
  } catch (cause) {
    throw new OrderError('invalid_order', 'Reading the order threw', { cause });
  }
  const rank = priority === undefined ? 1 : ranks.indexOf(priority as Priority);
  // `isName` spelt out: two calls for every order would be a tenth of what an order in a list costs.
  if (
    typeof userId !== 'string' ||
    userId.length === 0 ||
    userId.length > maxIdLength ||
    !userId.isWellFormed() ||
    (id !== undefined &&
      (typeof id !== 'string' ||
        id.length === 0 ||
        id.length > maxIdLength ||
        !id.isWellFormed())) ||
    !Number.isSafeInteger(amount) ||
    rank === -1
  ) {
    throw invalidField(userId, id, amount, priority);
  }
  // `+ 0` makes of -0 a 0.
  const sum = (amount as number) + 0;
  const order = new Copy(id ?? nextOrderId(), userId, sum, rank, payload, noLabels);
  if (postings !== undefined) takePostings(order, postings);
  if (notBefore !== undefined || expiresAt !== undefined) setTimes(order, notBefore, expiresAt);
  if (traceText !== undefined) order.traceText = traceText;
  if (order.ownPostings === undefined || mayHavePostings) return order;
  const message = 'The storage does not say that it `appliesPostings`, so no order may have any';
  throw new OrderError('invalid_order', message, order.facts);
}

/** How many credits to other users an order may bring. */
const mostPostings = 100;

/**
 * Checks the postings of an order and copies them.
 *
 * @throws OrderError `invalid_order`
 */
function takePostings(order: ParsedOrder, postings: unknown): void {
  const { id, userId } = order;
  const fail = (name: string, form: string, value: unknown): OrderError =>
    invalid(name, form, value, id, userId);
  const own: Posting[] = [];
  let sum = 0;
  try {
    if (!Array.isArray(postings) || postings.length > mostPostings) {
      throw fail('postings', `an array of at most ${mostPostings}`, postings);
    }
    for (let at = 0; at < postings.length; at += 1) {
      const posting = readPosting(postings[at], at, fail);
      const isTaken = ({ userId: other }: Posting): boolean => other === posting.userId;
      if (posting.userId === userId || own.some(isTaken)) {
        const form = posting.userId === userId ? "its own user's" : "an earlier posting's";
        throw fail(`postings[${at}].userId`, `another than ${form}`, posting.userId);
      }
      sum += posting.amount;
      own.push(posting);
    }
  } catch (cause) {
    if (cause instanceof OrderError) throw cause;
    throw new OrderError('invalid_order', 'Reading the order threw', { cause });
  }
  if (!Number.isSafeInteger(sum)) throw fail('postings', 'a safe integer together', sum);
  if (own.length > 0) order.ownPostings = Object.freeze(own);
}

function readPosting(
  value: unknown,
  at: number,
  fail: (name: string, form: string, value: unknown) => OrderError,
): Posting {
  if (typeof value !== 'object' || value === null)
    throw fail(`postings[${at}]`, 'an object', value);
  const { userId, amount } = value as Record<keyof Posting, unknown>;
  if (!isName(userId)) throw fail(`postings[${at}].userId`, nameForm, userId);
  if (!Number.isSafeInteger(amount) || (amount as number) < 1) {
    throw fail(`postings[${at}].amount`, 'a safe integer in minor units from 1 up', amount);
  }
  return Object.freeze({ userId, amount: amount as number });
}

/** @throws OrderError `invalid_order` */
function setTimes(order: ParsedOrder, notBefore: unknown, expiresAt: unknown): void {
  const { id, userId } = order;
  if (!isTime(notBefore)) throw invalid('notBefore', timeForm, notBefore, id, userId);
  if (!isTime(expiresAt)) throw invalid('expiresAt', timeForm, expiresAt, id, userId);
  if (notBefore !== undefined && expiresAt !== undefined && expiresAt <= notBefore) {
    throw invalid('expiresAt', 'later than `notBefore`', expiresAt, id, userId);
  }
  order.times = new OrderTimes(notBefore, expiresAt);
}

/**
 * Why fields cannot be an order's, by the first wrong one. A function of its own, so that checking good ones stays
 * short.
 */
export function invalidField(
  userId: unknown,
  id: unknown,
  amount: unknown,
  priority: unknown,
): OrderError {
  if (!isName(userId)) return invalid('userId', nameForm, userId, id);
  if (id !== undefined && !isName(id)) return invalid('id', nameForm, id, undefined, userId);
  if (!Number.isSafeInteger(amount)) {
    return invalid('amount', 'a safe integer in minor units', amount, id, userId);
  }
  return invalid('priority', "'high', 'medium' or 'low'", priority, id, userId);
}

export const nameForm = `a well-formed string of 1 to ${maxIdLength} characters`;

/** Well-formed, because a lone surrogate has no UTF-8: two such ids could become one in a file. */
export function isName(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= maxIdLength &&
    value.isWellFormed()
  );
}

export function invalid(
  name: string,
  form: string,
  value: unknown,
  id?: unknown,
  userId?: unknown,
): OrderError {
  return new OrderError(
    'invalid_order',
    `Expected \`${name}\` to be ${form}, got \`${show(value)}\``,
    {
      orderId: isName(id) ? id : undefined,
      userId: isName(userId) ? userId : undefined,
    },
  );
}
