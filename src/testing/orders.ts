import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { OrderError } from '../core/order/order-error.ts';
import type { AppliedPosting } from '../core/order/outcome.ts';
import { appliedPostings, orderedPostings } from '../core/order/receipt.ts';
import type { NewOrder, StoredOrder } from '../core/order/stored-order.ts';
import type { StoredOrderQuery } from '../core/storage/lists/stored-order-page.ts';
import type {
  AcceptResult,
  OrderStorage,
  Settlement,
  SettlementResult,
} from '../core/storage/order-storage.ts';

/** When the suite's first order is accepted, in Unix milliseconds. */
export const start = 1_700_000_000_000;

/** An order, frozen like everything that the suite hands over. */
export function newOrder(id: string, fields: Partial<NewOrder> = {}): NewOrder {
  const { payload } = fields;
  return Object.freeze({
    id,
    userId: 'u',
    amount: 100,
    priority: 'medium',
    payload,
    content: payload,
    labels: Object.freeze([]),
    postings: Object.freeze([]),
    acceptedAt: start,
    ...fields,
  });
}

/** An accepted order's settlement: completed, unless `fields` say otherwise. */
export function settlementOf(order: NewOrder, fields: Partial<Settlement> = {}): Settlement {
  const { outcome = 'completed' } = fields;
  return Object.freeze({
    ...order,
    orderedAmount: order.amount,
    isAccepted: true,
    outcome,
    error: outcome === 'completed' ? undefined : failure('declined', `Order ${order.id} ended`),
    steps: Object.freeze([]),
    results: Object.freeze({}),
    startedAt: order.acceptedAt + 5,
    settledAt: order.acceptedAt + 20,
    minBalance: undefined,
    isCompensable: false,
    isProvisional: false,
    ...fields,
  });
}

/** Why an order failed. */
export function failure(code: string, message: string, retryable?: boolean): OrderError {
  return new OrderError(code, message, { retryable });
}

/** The fields that are expected of a stored order. */
export type ExpectedOrder = Omit<StoredOrder, 'attempt' | 'sequence' | 'settlement'>;

/** The stored order that an accepted one becomes. */
export function pendingOrder(order: NewOrder, decided?: StoredOrder['decided']): ExpectedOrder {
  const { id, userId, amount, priority, payload, content, labels, acceptedAt } = order;
  return {
    ...{ notBefore: order.notBefore, expiresAt: order.expiresAt, retryOf: order.retryOf },
    traceContext: order.traceContext,
    ...{ id, userId, amount, priority, payload, content, labels, acceptedAt, decided },
    postings: appliedPostings(order.postings),
    orderedAmount: amount,
    results: {},
    remembered: [],
    status: 'pending',
    startedAt: undefined,
    settledAt: undefined,
    balance: undefined,
    code: undefined,
    message: undefined,
    retryable: undefined,
    steps: [],
  };
}

/** The stored order after a settlement with this result. */
export function settledOrder(
  settlement: Settlement,
  result: SettlementResult | undefined,
): ExpectedOrder {
  const { outcome, error, cause, startedAt, settledAt, steps, results } = settlement;
  const { amount, orderedAmount } = settlement;
  assert.ok(result && result.status !== 'known', `Settlement ${settlement.id} is recorded`);
  const isRefused = result.status === 'refused';
  const isApplied = !isRefused && outcome === 'completed';
  return {
    ...pendingOrder(settlement),
    ...{ startedAt, settledAt, steps, results, orderedAmount },
    amount: isApplied ? amount : orderedAmount,
    postings: isApplied
      ? appliedPostings(settlement.postings, (result as { balances?: readonly number[] }).balances)
      : appliedPostings(orderedPostings(settlement.postings)),
    status: isRefused ? 'failed' : outcome,
    balance: result.status === 'settled' ? result.balance : undefined,
    code: isRefused ? result.code : error?.code,
    message: error?.message,
    retryable: error?.retryable,
    cause: isRefused ? undefined : cause,
  };
}

/** Asserts that a storage has this order. */
export async function assertStored(storage: OrderStorage, expected: ExpectedOrder): Promise<void> {
  const order = await storage.find(expected.id);
  assertOrder(order, expected);
}

/** Asserts that an order is as expected. */
export function assertOrder(order: StoredOrder | undefined, expected: ExpectedOrder): void {
  assert.ok(order, `Order ${JSON.stringify(expected.id)} is known`);
  assert.deepEqual(comparable(order), comparable(expected));
}

/** Asserts that orders are as expected. */
export function assertOrders(
  orders: readonly StoredOrder[],
  expected: readonly ExpectedOrder[],
): void {
  // By their ids first, since the difference is then easy to read.
  assert.deepEqual(idsOf(orders), idsOf(expected));
  assert.deepEqual(orders.map(comparable), expected.map(comparable));
}

/** The ids of orders. */
export function idsOf(orders: readonly { readonly id: string }[]): string[] {
  return Array.from(orders, ({ id }) => id);
}

function postingFields({ userId, amount, orderedAmount, balance }: AppliedPosting): unknown[] {
  return [userId, amount, orderedAmount, balance ?? undefined];
}

const refusals: readonly (string | undefined)[] = ['insufficient_funds', 'balance_overflow'];

/** What two equal orders have in common, independent of how a storage makes them. */
function comparable(order: ExpectedOrder): object {
  const { id, userId, amount, priority, payload, content, labels, status, acceptedAt } = order;
  const { settledAt, balance, code, message, retryable, cause, steps, decided } = order;
  const { orderedAmount, results } = order;
  // The processor has the message of a refusal; a storage may leave it out.
  const isRefused = status === 'failed' && refusals.includes(code);
  return {
    ...{ id, userId, amount, orderedAmount, priority, payload, content, status, acceptedAt },
    ...{ notBefore: order.notBefore, expiresAt: order.expiresAt },
    ...{ retryOf: order.retryOf, retriedAs: order.retriedAs },
    traceContext: order.traceContext && { ...order.traceContext },
    labels: [...labels],
    postings: order.postings.map(postingFields),
    results: JSON.parse(JSON.stringify(results)),
    remembered: JSON.parse(JSON.stringify(order.remembered ?? [])),
    // A field that is absent is as good as one that is `undefined`.
    steps: JSON.parse(JSON.stringify(steps)),
    // Not specified for an unsettled order.
    startedAt: status === 'pending' ? undefined : order.startedAt,
    ...{ settledAt, balance, code },
    ...(isRefused ? {} : { message, retryable, cause: causeIn(cause) }),
    decided: status === 'pending' && decided ? decisionOf(decided) : undefined,
  };
}

function decisionOf(decided: NonNullable<StoredOrder['decided']>) {
  const { outcome, code, message, retryable, cause } = decided;
  return { outcome, code, message, retryable, cause: causeIn(cause) };
}

function causeIn(cause: StoredOrder['cause']): StoredOrder['cause'] {
  return cause && { name: cause.name, message: cause.message };
}

/** The results of `accept`, one for each order. */
export async function accept(
  storage: OrderStorage,
  orders: readonly NewOrder[],
): Promise<readonly AcceptResult[]> {
  const results = await storage.accept(Object.freeze([...orders]));
  assert.ok(Array.isArray(results), 'The results are an array');
  assert.equal(results.length, orders.length, 'There is one result for each order');
  const accepted = storage.shared === undefined ? 'accepted' : 'kept';
  return Array.from(results, (result) => {
    assertStatus(result, [accepted, 'known']);
    // The same to all rules but those of shared storages.
    return result.status === 'kept' ? { ...result, status: 'accepted' } : result;
  });
}

/** The order that has an id already, by the answer of `accept` or `settle`. */
export function knownBy(answer: AcceptResult | SettlementResult | undefined): StoredOrder {
  assert.ok(answer?.status === 'known', `The answer is \`known\`, got \`${answer?.status}\``);
  return answer.order;
}

/** The results of `settle`, one for each settlement, without other fields. */
export async function settle(
  storage: OrderStorage,
  settlements: readonly Settlement[],
): Promise<SettlementResult[]> {
  const results = await storage.settle(Object.freeze([...settlements]));
  assert.ok(Array.isArray(results), 'The results are an array');
  assert.equal(results.length, settlements.length, 'There is one result for each settlement');
  return Array.from(results, (result) => {
    assertStatus(result, ['settled', 'refused', 'known']);
    if (result.status === 'settled') {
      const { status, balance, balances } = result;
      return balances === undefined ? { status, balance } : { status, balance, balances };
    }
    if (result.status === 'refused') return { status: 'refused', code: result.code };
    return result;
  });
}

function assertStatus(
  result: AcceptResult | SettlementResult | undefined,
  known: readonly (AcceptResult | SettlementResult)['status'][],
): void {
  const status = result?.status;
  const isKnown = status !== undefined && known.includes(status);
  assert.ok(isKnown, `Expected one of ${known.join(', ')}, got ${inspect(status)}`);
}

/** Accepts orders whose ids are new. */
export async function acceptNew(storage: OrderStorage, orders: readonly NewOrder[]): Promise<void> {
  for (const { status } of await accept(storage, orders)) assert.equal(status, 'accepted');
}

/** All unsettled orders, and how long each page was. */
export async function readUnsettled(
  storage: OrderStorage,
): Promise<{ orders: StoredOrder[]; pages: number[] }> {
  const orders: StoredOrder[] = [];
  const pages: number[] = [];
  const ids = new Set<string>();
  for await (const page of storage.unsettled()) {
    for (const order of page) {
      // Otherwise a storage that repeats its pages would never end.
      assert.ok(!ids.has(order.id), `Order ${JSON.stringify(order.id)} comes once`);
      ids.add(order.id);
      orders.push(order);
    }
    pages.push(page.length);
    assert.ok(pages.length <= 100_000, 'The pages end');
  }
  return { orders, pages };
}

/** The whole list, read in pages of `limit`. */
export function readList(
  storage: OrderStorage,
  limit: number,
  query: Omit<StoredOrderQuery, 'limit'> = {},
): Promise<StoredOrder[]> {
  return readPages(storage, { ...query, limit }, Number.POSITIVE_INFINITY);
}

/** The first `limit` orders of a list; a page may end before. */
export function listed(storage: OrderStorage, query: StoredOrderQuery): Promise<StoredOrder[]> {
  return readPages(storage, query, query.limit);
}

async function readPages(
  storage: OrderStorage,
  query: StoredOrderQuery,
  most: number,
): Promise<StoredOrder[]> {
  const orders: StoredOrder[] = [];
  let { before } = query;
  for (;;) {
    const limit = Math.min(query.limit, most - orders.length);
    const page = await storage.list({ ...query, limit, before });
    const count = page.orders.length;
    assert.ok(count <= limit, `A page has at most ${limit} orders, got ${count}`);
    for (const order of page.orders) {
      const last = orders.at(-1)?.sequence ?? before ?? Number.POSITIVE_INFINITY;
      const { sequence } = order;
      assert.ok(sequence < last, `\`sequence\` goes down from ${last}, got ${sequence}`);
      orders.push(order);
    }
    const { next } = page;
    if (next === undefined || orders.length === most) return orders;
    // Otherwise a list that repeats its pages would never end.
    assert.ok(next < (before ?? Number.POSITIVE_INFINITY), `\`next\` goes down, got ${next}`);
    before = next;
  }
}
