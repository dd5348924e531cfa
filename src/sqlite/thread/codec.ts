import { noLabels, type Priority, ranks } from '../../core/order/order.ts';
import type { OrderCause, OrderStatus } from '../../core/order/outcome.ts';
import { noSteps, type StepResult } from '../../core/order/step-result.ts';
import type { DecidedOutcome, NewOrder, StoredOrder } from '../../core/order/stored-order.ts';
import { timeFields } from '../../core/order/times/order-times.ts';
import type { BalanceChange, BalanceResult } from '../../core/storage/balance-storage.ts';
import type {
  AcceptResult,
  FailedResult,
  Settlement,
  SettlementResult,
  StoredOrderPage,
  StoredOrderQuery,
} from '../../core/storage/order-storage.ts';
import { beyond, UnreadableOrder } from '../unreadable.ts';
import type { Reader, Writer } from './wire.ts';

/** The flags of a settlement, one bit each. */
export const flags = { accepted: 1, compensable: 2, provisional: 4 } as const;

/** A status is sent as its index here. */
export const statuses = ['pending', 'completed', 'failed', 'canceled'] as const;

/** The result for one order is sent as a number. */
export const results = {
  done: 0,
  insufficientFunds: 1,
  balanceOverflow: 2,
  known: 3,
  failed: 4,
} as const;

export function writeNewOrders(writer: Writer, orders: readonly NewOrder[]): void {
  writer.number(orders.length);
  for (const order of orders) writeNewOrder(writer, order);
}

function writeNewOrder(writer: Writer, order: NewOrder): void {
  writeFields(writer, order);
  writeData(writer, order);
}

function writeFields(writer: Writer, order: NewOrder): void {
  writer.text(order.id);
  writer.text(order.userId);
  writer.number(order.amount);
  writer.number(ranks.indexOf(order.priority));
  writer.number(order.acceptedAt);
}

function writeData(writer: Writer, { payload, content, labels, expiresAt }: NewOrder): void {
  writer.text(payload === undefined ? null : JSON.stringify(payload));
  // In an array, since `undefined` differs from being the payload.
  writer.text(content === payload ? null : JSON.stringify(content === undefined ? [] : [content]));
  writer.text(labels.length === 0 ? null : JSON.stringify(labels));
  writer.number(expiresAt);
}

export function writeSettlements(writer: Writer, settlements: readonly Settlement[]): void {
  writer.number(settlements.length);
  for (const settlement of settlements) writeSettlement(writer, settlement);
}

function writeSettlement(writer: Writer, settlement: Settlement): void {
  const { isAccepted, isCompensable, isProvisional, error, cause } = settlement;
  writer.number(
    (isAccepted ? flags.accepted : 0) |
      (isCompensable ? flags.compensable : 0) |
      (isProvisional ? flags.provisional : 0),
  );
  writeFields(writer, settlement);
  // The file has the data of an accepted order already, and writing a payload is slow.
  if (!isAccepted) writeData(writer, settlement);
  writer.number(statuses.indexOf(settlement.outcome));
  writer.number(settlement.startedAt);
  writer.number(settlement.settledAt);
  writer.number(settlement.minBalance);
  writer.text(stepsJson(settlement.steps));
  writer.text(error?.code);
  writer.text(error?.message);
  writer.number(error === undefined ? undefined : error.retryable ? 1 : 0);
  writer.text(cause && JSON.stringify(cause));
}

export function stepsJson(steps: readonly StepResult[]): string | null {
  return steps.length === 0 ? null : JSON.stringify(steps);
}

export function writeChanges(writer: Writer, changes: readonly BalanceChange[], now: number): void {
  writer.number(now);
  writer.number(changes.length);
  for (const { orderId, userId, amount, minBalance } of changes) {
    writer.text(orderId);
    writer.text(userId);
    writer.number(amount);
    writer.number(minBalance);
  }
}

export function readAcceptResults(reader: Reader, count: number): AcceptResult[] {
  return Array.from({ length: count }, () => {
    const result = reader.number();
    if (result === results.done) return { status: 'accepted', sequence: reader.number() };
    return result === results.known ? readKnown(reader) : readFailed(reader);
  });
}

function readFailed(reader: Reader): FailedResult {
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
    return {
      refused: result === results.insufficientFunds ? 'insufficient_funds' : 'balance_overflow',
    };
  });
}

/** Reports an order that cannot be read, or throws the error. */
export type TakeUnreadable = (error: UnreadableOrder) => void;

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
  const code = reader.maybeText() ?? undefined;
  const message = reader.maybeText() ?? undefined;
  const json = reader.maybeText();
  const content = reader.maybeText();
  const labels = reader.maybeText();
  const steps = reader.maybeText();
  const cause = reader.maybeText();
  const decided = reader.maybeText();
  const parse = parsed.bind(undefined, id);
  const payload = json === null ? undefined : parse('payload', json, () => true);
  if (!isPriority(priority)) throw new UnreadableOrder(id, 'its priority is none');
  return {
    id,
    userId,
    amount,
    priority,
    payload,
    labels: labels === null ? noLabels : (parse('labels', labels, areTexts) as string[]),
    status,
    acceptedAt,
    startedAt,
    settledAt,
    balance,
    code,
    message,
    retryable: retryable === null ? undefined : retryable === 1,
    cause: cause === null ? undefined : (parse('cause', cause, isObject) as OrderCause),
    steps: steps === null ? noSteps : (parse('steps', steps, areObjects) as StepResult[]),
    content:
      content === null ? payload : (parse('content', content, Array.isArray) as unknown[])[0],
    attempt,
    decided: decided === null ? undefined : (parse('decided', decided, isObject) as DecidedOutcome),
    sequence,
    ...timeFields({ expiresAt: reader.maybeNumber() ?? undefined }),
  };
}

function parsed(
  id: string,
  name: string,
  json: string,
  isRight: (value: unknown) => boolean,
): unknown {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new UnreadableOrder(id, `its ${name} is no JSON`);
  }
  if (isRight(value)) return value;
  throw new UnreadableOrder(id, `its ${name} is not what it must be`);
}

function isPriority(value: string): value is Priority {
  return (ranks as readonly string[]).includes(value);
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function areObjects(value: unknown): boolean {
  return Array.isArray(value) && value.every(isObject);
}

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
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

/** One step of `prune`. */
export interface PruneStep {
  readonly deleted: number;
  /** Behind which `seq` the next step begins; `undefined` after the last one. */
  readonly after: number | undefined;
}

export function readPruneStep(reader: Reader): PruneStep {
  return { deleted: reader.number(), after: reader.maybeNumber() ?? undefined };
}
