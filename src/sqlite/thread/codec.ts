import { type FinalPosting, noPostings, ranks } from '../../core/order/order.ts';
import { noResults, type StepResult, type StepValues } from '../../core/order/step-result.ts';
import type { NewOrder, StoredOrder } from '../../core/order/stored-order.ts';
import { traceText } from '../../core/order/trace/trace-context.ts';
import type { BalanceChange, BalanceResult } from '../../core/storage/balance-storage.ts';
import type {
  PastBalance,
  SettledPage,
  StoredMovementPage,
  StoredMovementQuery,
} from '../../core/storage/history/history-storage.ts';
import type {
  StoredOrderPage,
  StoredOrderQuery,
} from '../../core/storage/lists/stored-order-page.ts';
import type {
  AcceptResult,
  FailedResult,
  Settlement,
  SettlementResult,
} from '../../core/storage/order-storage.ts';
import type { TakeUnreadable } from '../../core/storage/reading/unreadable-orders.ts';
import { readOrder, readOrders } from './read-orders.ts';
import type { Reader, Writer } from './wire.ts';

/** The flags of a settlement, one bit each. */
export const flags = {
  accepted: 1,
  compensable: 2,
  provisional: 4,
  posting: 8,
  holds: 16,
  endsHold: 32,
} as const;

/** A status is sent as its index here. */
export const statuses = ['pending', 'completed', 'failed', 'canceled'] as const;

/** The result for one order is sent as a number. */
export const results = {
  done: 0,
  insufficientFunds: 1,
  balanceOverflow: 2,
  known: 3,
  failed: 4,
  /** Done, with the balances after its postings. */
  posted: 5,
} as const;

export function writeNewOrders(writer: Writer, orders: readonly NewOrder[]): void {
  writer.number(orders.length);
  for (const order of orders) writeNewOrder(writer, order);
}

function writeNewOrder(writer: Writer, order: NewOrder): void {
  writeFields(writer, order);
  writeData(writer, order);
  const { postings } = order;
  writer.text(postings.length === 0 ? null : JSON.stringify(postings));
}

function writePostings(writer: Writer, postings: readonly FinalPosting[]): void {
  writer.number(postings.length);
  for (const { userId, amount, orderedAmount } of postings) {
    writer.text(userId);
    writer.number(amount);
    writer.number(orderedAmount === amount ? undefined : orderedAmount);
  }
}

function writeFields(writer: Writer, order: NewOrder): void {
  writer.text(order.id);
  writer.text(order.userId);
  writer.number(order.amount);
  writer.number(ranks.indexOf(order.priority));
  writer.number(order.acceptedAt);
}

function writeData(
  writer: Writer,
  { payload, content, labels, notBefore, expiresAt, retryOf, traceContext }: NewOrder,
): void {
  writer.text(payload === undefined ? null : JSON.stringify(payload));
  // In an array, since `undefined` differs from being the payload.
  writer.text(content === payload ? null : JSON.stringify(content === undefined ? [] : [content]));
  writer.text(labels.length === 0 ? null : JSON.stringify(labels));
  writer.number(notBefore);
  writer.number(expiresAt);
  writer.text(retryOf);
  writer.text(traceText(traceContext));
}

export function writeSettlements(writer: Writer, settlements: readonly Settlement[]): void {
  writer.number(settlements.length);
  for (const settlement of settlements) writeSettlement(writer, settlement);
}

function writeSettlement(writer: Writer, settlement: Settlement): void {
  const { isAccepted, isCompensable, isProvisional, error, cause, postings } = settlement;
  const { amount, orderedAmount } = settlement;
  writer.number(
    (isAccepted ? flags.accepted : 0) |
      (isCompensable ? flags.compensable : 0) |
      (isProvisional ? flags.provisional : 0) |
      (settlement.holds ? flags.holds : 0) |
      (settlement.endsHold ? flags.endsHold : 0) |
      (postings.length > 0 ? flags.posting : 0),
  );
  writeFields(writer, settlement);
  // The file has the data of an accepted order already, and writing a payload is slow.
  if (isAccepted) writer.number(settlement.sequence ?? 0);
  else writeData(writer, settlement);
  if (postings.length > 0) writePostings(writer, postings);
  writer.number(statuses.indexOf(settlement.outcome));
  writer.number(settlement.startedAt);
  writer.number(settlement.settledAt);
  writer.number(settlement.minBalance);
  writer.text(stepsJson(settlement.steps));
  writer.text(resultsJson(settlement.results));
  writer.number(orderedAmount === amount ? undefined : orderedAmount);
  writer.text(error?.code);
  writer.text(error?.message);
  writer.number(error === undefined ? undefined : error.retryable ? 1 : 0);
  writer.text(cause && JSON.stringify(cause));
}

export function stepsJson(steps: readonly StepResult[]): string | null {
  return steps.length === 0 ? null : JSON.stringify(steps);
}

function resultsJson(results: StepValues): string | null {
  if (results === noResults) return null;
  const json = JSON.stringify(results);
  return json === '{}' ? null : json;
}

export function writeChanges(writer: Writer, changes: readonly BalanceChange[], now: number): void {
  writer.number(now);
  writer.number(changes.length);
  for (const { orderId, userId, amount, minBalance, postings = noPostings } of changes) {
    writer.text(orderId);
    writer.text(userId);
    writer.number(amount);
    writer.number(minBalance);
    writePostings(writer, postings);
  }
}

export function readAcceptResults(reader: Reader, count: number): AcceptResult[] {
  return Array.from({ length: count }, () => {
    const result = reader.number();
    if (result === results.done) return { status: 'accepted', sequence: reader.number() };
    return result === results.known ? readKnown(reader) : readFailed(reader);
  });
}

export function readFailed(reader: Reader): FailedResult {
  return { status: 'failed', error: new Error(reader.text()) };
}

function readKnown(reader: Reader): { status: 'known'; order: StoredOrder } | FailedResult {
  try {
    return { status: 'known', order: readOrder(reader) };
  } catch (error) {
    return { status: 'failed', error };
  }
}

export function readSettlementResults(reader: Reader, count: number): SettlementResult[] {
  return Array.from({ length: count }, () => readSettlementResult(reader));
}

function readSettlementResult(reader: Reader): SettlementResult {
  switch (reader.number()) {
    case results.done:
      return { status: 'settled', balance: reader.maybeNumber() ?? undefined };
    case results.posted:
      return { status: 'settled', balance: reader.number(), balances: readBalances(reader) };
    case results.insufficientFunds:
      return { status: 'refused', code: 'insufficient_funds' };
    case results.balanceOverflow:
      return { status: 'refused', code: 'balance_overflow' };
    case results.known:
      return readKnown(reader);
    default:
      return readFailed(reader);
  }
}

export function readBalanceResults(reader: Reader, count: number): BalanceResult[] {
  return Array.from({ length: count }, () => {
    const result = reader.number();
    if (result === results.done) return { balance: reader.number() };
    if (result === results.posted) {
      return { balance: reader.number(), balances: readBalances(reader) };
    }
    return {
      refused: result === results.insufficientFunds ? 'insufficient_funds' : 'balance_overflow',
    };
  });
}

function readBalances(reader: Reader): number[] {
  return Array.from({ length: reader.number() }, () => reader.number());
}

/** One page of unsettled orders. */
export interface Page {
  readonly orders: readonly StoredOrder[];
  /** Where the next page begins; `undefined` after the last one. */
  readonly after: number | undefined;
  /** Where the pages end. */
  readonly upTo: number;
}

export function readPage(reader: Reader, takeUnreadable: TakeUnreadable): Page {
  const orders = readOrders(reader, takeUnreadable);
  return { orders, after: reader.maybeNumber() ?? undefined, upTo: reader.number() };
}

export function writeQuery(writer: Writer, query: StoredOrderQuery): void {
  const { userId, status, acceptedFrom, acceptedBefore, before, limit, maxBytes } = query;
  const { NEGATIVE_INFINITY: least, POSITIVE_INFINITY: most } = Number;
  writer.text(userId);
  writer.text(status);
  writer.number(acceptedFrom ?? least);
  // The last time that is before it: times are integers.
  writer.number(Math.ceil(acceptedBefore ?? most) - 1);
  writer.number(before ?? most);
  writer.number(limit);
  writer.number(maxBytes ?? most);
}

/** One page of a list. */
export function readListPage(reader: Reader, takeUnreadable: TakeUnreadable): StoredOrderPage {
  const orders = readOrders(reader, takeUnreadable);
  return { orders, next: reader.maybeNumber() ?? undefined };
}

export function writeMovementQuery(writer: Writer, query: StoredMovementQuery): void {
  const { userId, after, from, before, limit } = query;
  writer.text(userId);
  writer.number(after);
  writer.number(from);
  writer.number(before);
  writer.number(limit);
}

export function readSettledPage(reader: Reader, takeUnreadable: TakeUnreadable): SettledPage {
  const orders = readOrders(reader, takeUnreadable);
  const next = reader.number();
  return { orders, next, last: reader.number(), forgotten: reader.number() };
}

export function readPastBalance(reader: Reader): PastBalance {
  return { balance: reader.maybeNumber() ?? undefined, isForgotten: reader.number() === 1 };
}

export function readMovements(reader: Reader, userId: string): StoredMovementPage {
  const movements = Array.from({ length: reader.number() }, () => ({
    orderId: reader.text(),
    userId,
    amount: reader.number(),
    balance: reader.number(),
    settledAt: reader.number(),
    sequence: reader.number(),
  }));
  return { movements, next: reader.maybeNumber() ?? undefined, forgotten: reader.number() };
}

/** Whether a file has more settled orders than are to be kept, and whether it is larger by far; sent as its index. */
export const retainStates = ['done', 'more', 'behind'] as const;

export type RetainState = (typeof retainStates)[number];

export function readRetainState(reader: Reader): RetainState {
  return retainStates[reader.number()] as RetainState;
}

/** One step of `prune`. */
export interface PruneStep {
  readonly deleted: number;
  /** Behind which `seq` the next step begins; `undefined` after the last one. */
  readonly after: number | undefined;
}

export function readPruneStep(reader: Reader): PruneStep {
  return { deleted: reader.number(), after: reader.maybeNumber() ?? undefined };
}
