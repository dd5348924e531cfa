import type { AppliedPosting } from '../../core/order/outcome.ts';
import type { StoredOrder } from '../../core/order/stored-order.ts';
import { jsonIssueIn } from '../../core/runtime/json/json-issue.ts';
import { quote } from '../../core/runtime/thrown.ts';
import type { Statement, Value } from '../sessions/session.ts';
import { type AcceptedColumns, acceptedColumnsOf } from '../values/accepted-columns.ts';
import { toKept } from '../values/kept-text.ts';
import { statuses } from '../values/rows.ts';
import { UnusableSource } from './import-source.ts';
import { type ImportState, keepState } from './import-state.ts';
import { PageColumns } from './page-columns.ts';

/** An order that is taken over. */
interface Taken {
  readonly order: StoredOrder;
  readonly columns: AcceptedColumns;
  /** When it counts as applied, in Unix milliseconds: times never go back in the order applied. */
  readonly appliedAt: number;
}

/** A credit of an order to another user. */
interface Credit extends Taken {
  readonly posting: AppliedPosting;
}

const orders = new PageColumns<Taken>([
  ['seq', 'bigint', ({ order }) => order.sequence],
  ['amount', 'bigint', ({ columns }) => columns.amount],
  ['accepted_at', 'bigint', ({ columns }) => columns.acceptedAt],
  ['not_before', 'bigint', ({ columns }) => columns.notBefore],
  ['expires_at', 'bigint', ({ columns }) => columns.expiresAt],
  ['part', 'smallint', ({ columns }) => columns.part],
  ['priority', 'smallint', ({ columns }) => columns.priority],
  ['id', 'text', ({ columns }) => columns.id],
  ['user_id', 'text', ({ columns }) => columns.userId],
  ['payload', 'text', ({ columns }) => columns.payload],
  ['content', 'text', ({ columns }) => columns.content],
  ['labels', 'text', ({ columns }) => columns.labels],
  ['postings', 'text', ({ columns }) => columns.postings],
  ['retry_of', 'text', ({ columns }) => columns.retryOf],
  ['trace', 'text', ({ columns }) => columns.trace],
]);

/** Their partitions count from 0 losses; an attempt above 1 is a loss before that. */
const pending = new PageColumns<Taken>([
  ['seq', 'bigint', ({ order }) => order.sequence],
  ['not_before', 'bigint', ({ columns }) => columns.notBefore],
  ['losses', 'int', ({ order }) => order.attempt - 1],
  ['part', 'smallint', ({ columns }) => columns.part],
  ['user_id', 'text', ({ columns }) => columns.userId],
  ['decided', 'text', ({ order }) => jsonOf(order.decided)],
  [
    'compensations',
    'text',
    ({ order }) => order.compensations && JSON.stringify(order.compensations),
  ],
  ['remembered', 'text', ({ order }) => jsonOf(order.remembered)],
]);

const outcomes = new PageColumns<Taken>([
  ['seq', 'bigint', ({ order }) => order.sequence],
  ['settlement', 'bigint', ({ order }) => order.settlement],
  ['amount', 'bigint', ({ order }) => order.amount],
  ['started_at', 'bigint', ({ order }) => order.startedAt],
  ['settled_at', 'bigint', ({ order }) => order.settledAt],
  ['applied_at', 'bigint', ({ appliedAt }) => appliedAt],
  ['balance', 'bigint', ({ order }) => order.balance],
  ['status', 'smallint', ({ order }) => statuses.indexOf(order.status as 'completed')],
  ['retryable', 'boolean', ({ order }) => order.retryable],
  ['user_id', 'text', ({ columns }) => columns.userId],
  ['code', 'text', ({ order }) => order.code],
  ['message', 'text', ({ order }) => order.message && toKept(order.message)],
  ['cause', 'text', ({ order }) => jsonOf(order.cause)],
  ['steps', 'text', ({ order }) => jsonOf(order.steps)],
  ['results', 'text', ({ order }) => jsonOf(order.results)],
  ['postings', 'text', ({ order }) => lessThanOrdered(order)],
  ['balances', 'text', ({ order }) => balancesOf(order)],
]);

const credits = new PageColumns<Credit>([
  ['user_id', 'text', ({ posting }) => toKept(posting.userId)],
  ['settlement', 'bigint', ({ order }) => order.settlement],
  ['seq', 'bigint', ({ order }) => order.sequence],
  ['amount', 'bigint', ({ posting }) => posting.amount],
  ['balance', 'bigint', ({ posting }) => posting.balance],
  ['applied_at', 'bigint', ({ appliedAt }) => appliedAt],
]);

const unsettledText = (first: number): string => `INSERT INTO pending
    (seq, not_before, epoch, part, user_id, decided, compensations, remembered)
  SELECT x.seq, CASE WHEN x.not_before > extract(epoch FROM clock_timestamp()) * 1000 THEN x.not_before END,
    t.epoch - x.losses, x.part, x.user_id, x.decided, x.compensations, x.remembered
  FROM ${pending.rows(first)} JOIN partitions t ON t.part = x.part`;

const settledText = (first: number): string => `INSERT INTO outcomes (${outcomes.names})
  SELECT ${outcomes.names.replace('balances', 'balances::bigint[]')} FROM ${outcomes.rows(first)}`;

const firsts = {
  pending: 2 + orders.count,
  outcomes: 2 + orders.count + pending.count,
  credits: 2 + orders.count + pending.count + outcomes.count,
};

/** Writes a page of orders, and with it how far the import is: $1. */
const pageStatement: Statement = {
  name: 'import_orders',
  text: `WITH o AS (INSERT INTO orders (${orders.names}) SELECT * FROM ${orders.rows(2)}),
  p AS (${unsettledText(firsts.pending)}),
  s AS (${settledText(firsts.outcomes)}),
  c AS (INSERT INTO credits (${credits.names}) SELECT * FROM ${credits.rows(firsts.credits)})
  ${keepState}`,
};

/** A page of orders as it is written. */
export class OrdersPage {
  readonly #taken: readonly Taken[];
  readonly #unsettled: readonly Taken[];
  readonly #settled: readonly Taken[];
  readonly #credits: readonly Credit[];
  /** The greatest time of all settlements up to the last of the page. */
  readonly settledAt: number;

  /**
   * @param state - how far the import is before it
   * @param partitions - how many there are
   * @param isJson - whether what the source keeps is JSON
   * @throws UnusableSource for an order that cannot be kept
   */
  constructor(
    page: readonly StoredOrder[],
    { mark: { forgotten }, knownFrom, settledAt }: ImportState,
    partitions: number,
    isJson: boolean,
  ) {
    let greatest = settledAt;
    this.#taken = page.map((order) => {
      checkNumbers(order);
      if (!isJson) checkJson(order);
      const { settlement = 0, settledAt: at = 0 } = order;
      if (settlement > forgotten) greatest = Math.max(greatest, at);
      const columns = acceptedColumnsOf(order, partitions, order.orderedAmount);
      return { order, columns, appliedAt: settlement > forgotten ? greatest : (knownFrom ?? at) };
    });
    this.settledAt = greatest;
    this.#unsettled = this.#taken.filter(({ order }) => order.settlement === undefined);
    this.#settled = this.#taken.filter(({ order }) => order.settlement !== undefined);
    this.#credits = this.#settled.flatMap((taken) => creditsOf(taken));
  }

  get counts() {
    const completed = this.#settled.filter(({ order }) => order.status === 'completed');
    return {
      orders: this.#taken.length,
      unsettled: this.#unsettled.length,
      movements: completed.length + this.#credits.length,
    };
  }

  /** @param state - how far the import is with the page */
  write(state: string): readonly [Statement, Value[]] {
    const values = [
      state,
      ...orders.values(this.#taken),
      ...pending.values(this.#unsettled),
      ...outcomes.values(this.#settled),
      ...credits.values(this.#credits),
    ];
    return [pageStatement, values];
  }
}

function creditsOf(taken: Taken): readonly Credit[] {
  const { status, postings } = taken.order;
  if (status !== 'completed') return [];
  return postings.map((posting) => ({ ...taken, posting }));
}

/** Nothing for what is empty: it is read as that. */
function jsonOf(value: object | undefined): string | undefined {
  if (value === undefined || Object.keys(value).length === 0) return undefined;
  return JSON.stringify(value);
}

/** The postings, where what was settled of one is less than was ordered. */
function lessThanOrdered({ status, postings }: StoredOrder): string | undefined {
  if (status !== 'completed') return undefined;
  if (postings.every(({ amount, orderedAmount }) => amount === orderedAmount)) return undefined;
  return JSON.stringify(postings.map(({ userId, amount }) => ({ userId, amount })));
}

/** As the text of an array. */
function balancesOf({ status, postings }: StoredOrder): string | undefined {
  if (status !== 'completed' || postings.length === 0) return undefined;
  return `{${postings.map(({ balance }) => balance).join(',')}}`;
}

/** @throws UnusableSource for a number that would not come back as it is */
function checkNumbers(order: StoredOrder): void {
  const { id, status, settlement, settledAt, balance, postings } = order;
  const isSettled = settlement !== undefined;
  const isCompleted = status === 'completed';
  const { sequence, amount, orderedAmount, acceptedAt, attempt } = order;
  const numbers = [sequence, amount, orderedAmount, acceptedAt, attempt];
  if (isSettled) numbers.push(settlement, settledAt as number);
  if (isCompleted) numbers.push(balance as number);
  for (const posting of postings) {
    numbers.push(posting.amount, posting.orderedAmount);
    if (isCompleted) numbers.push(posting.balance as number);
  }
  const isRight = numbers.every(Number.isSafeInteger) && isSettled === (status !== 'pending');
  if (!isRight) throw unusable(id, 'its status or one of its numbers is not as it must be');
}

/** @throws UnusableSource for a value that does not come back from JSON as it is */
function checkJson({ id, payload, content, results, remembered }: StoredOrder): void {
  const values = { payload, content, results, remembered };
  for (const [name, value] of Object.entries(values)) {
    const issue = value === undefined ? undefined : jsonIssueIn(value, name);
    if (issue !== undefined) {
      throw unusable(id, `expected JSON, got ${issue.message} at ${quote(issue.path)}`);
    }
  }
}

function unusable(id: string, why: string): UnusableSource {
  return new UnusableSource(`The order ${quote(id)} of the source cannot be taken over: ${why}`);
}
