/** Sessions of schemas of their own, and orders as a processor would have kept them. */

import { randomUUID } from 'node:crypto';
import {
  type FinalPosting,
  MemoryStorage,
  type NewOrder,
  OrderError,
  type Posting,
  type Settlement,
  type StoredOrder,
} from 'order-processor';
import { UnreadableOrders } from '../../../src/core/storage/reading/unreadable-orders.ts';
import { Channels } from '../../../src/postgres/members/channels.ts';
import { setUpOf } from '../../../src/postgres/members/life.ts';
import type { Membership } from '../../../src/postgres/members/membership.ts';
import { migrate } from '../../../src/postgres/schema/migrate.ts';
import { quoteName } from '../../../src/postgres/schema/names.ts';
import { QuerySessions } from '../../../src/postgres/sessions/query-sessions.ts';
import { Session } from '../../../src/postgres/sessions/session.ts';
import { Reads } from '../../../src/postgres/statements/reads.ts';
import { acceptedColumnsOf } from '../../../src/postgres/values/accepted-columns.ts';
import { toKept } from '../../../src/postgres/values/kept-text.ts';
import { statuses } from '../../../src/postgres/values/rows.ts';
import { FencedWrites } from '../../../src/postgres/writes/fenced-writes.ts';
import type { Random } from '../../../src/testing/random.ts';
import type { PostgresServer } from '../../kit/postgres-server.ts';

const partitions = 8;

export const users = ['u-0', 'u-1', 'U-1', '__proto__', 'nul \0', 'mark \uF8FF0', 'é\u{1f600}'];
export const start = 1_700_000_000_000;

function newOrder(at: number, random: Random): NewOrder {
  const userId = random.pick(users);
  const payload = random.pick([undefined, null, { at, text: '\0 "\\' }, [at]]);
  const others = users.filter((user) => user !== userId && random.chance(20));
  return {
    ...{ id: `o-${(at * 37) % 1000}${at % 9 ? '' : '\0'}`, userId, payload },
    amount: random.integer(-50, 100),
    priority: random.pick(['high', 'medium', 'low']),
    content: random.pick([payload, payload, undefined, 'other']),
    labels: random.pick([[], ['one', 'two\0']]),
    postings: others.map((user) => ({ userId: user, amount: random.integer(1, 9) })),
    acceptedAt: start + random.integer(0, 30),
    ...(random.chance(30) && { notBefore: start + random.integer(0, 30) }),
    ...(random.chance(30) && { expiresAt: start + random.integer(31, 60) }),
  };
}

function finalPosting({ userId, amount }: Posting, random: Random): FinalPosting {
  if (random.chance(70)) return { userId, amount };
  return { userId, amount: Math.floor(amount / 2), orderedAmount: amount };
}

function settlementOf(order: NewOrder, random: Random): Settlement {
  const outcome = random.pick(['completed', 'completed', 'failed', 'canceled'] as const);
  const isFinal = outcome === 'completed';
  return {
    ...order,
    orderedAmount: order.amount,
    amount: isFinal && random.chance(20) ? Math.trunc(order.amount / 2) : order.amount,
    postings: isFinal ? order.postings.map((each) => finalPosting(each, random)) : order.postings,
    isAccepted: true,
    outcome,
    error: isFinal ? undefined : new OrderError('own', 'No \0', { retryable: random.chance(50) }),
    cause: isFinal ? undefined : random.pick([undefined, { name: 'Error', message: '\0' }]),
    steps: random.pick([[], [{ name: 'one', status: 'ok', durationMs: 1, attempts: 2 }]]),
    results: random.pick([{}, { one: ['\0'] }]),
    startedAt: isFinal ? order.acceptedAt + 1 : undefined,
    settledAt: order.acceptedAt + random.integer(1, 40),
    minBalance: random.pick([undefined, 0]),
    isCompensable: false,
    isProvisional: !isFinal && random.chance(30),
  };
}

/** Orders of all kinds, settled in another order than that of their acceptance. */
export function filledMemory(random: Random): MemoryStorage {
  const memory = new MemoryStorage();
  let open: NewOrder[] = [];
  for (let at = 0; at < 400; at += 20) {
    const orders = Array.from({ length: 20 }, (_, place) => newOrder(at + place, random));
    memory.accept(orders);
    open.push(...orders);
    const settled = open.filter(() => random.chance(45));
    memory.settle(settled.map((order) => settlementOf(order, random)));
    for (const { id } of open.filter(() => random.chance(10))) {
      const { sequence, userId } = memory.find(id) as StoredOrder;
      const steps = [{ step: 'one', result: ['\0'], amount: at % 3 ? undefined : 5 }];
      memory.remember([{ id, userId, sequence, steps }]);
    }
    const again = open.filter(({ id }) => memory.find(id)?.decided !== undefined);
    for (const { id, userId } of again.filter(() => random.chance(30))) {
      memory.release(userId, { orderId: id, compensations: { one: 2 } });
    }
    open = open.filter(({ id }) => memory.find(id)?.status === 'pending');
  }
  return memory;
}

/** A session for reads in a schema that is made if it is missing. */
export async function openSession(server: PostgresServer, schema: string): Promise<Session> {
  const config = { connectionString: server.url };
  const session = await Session.open(config, setUpOf('read', schema), () => {});
  await migrate(session, schema, partitions);
  await session.query(`SET search_path = ${quoteName(schema)}`);
  return session;
}

export const reportOf = (schema: string) => new UnreadableOrders(`the schema "${schema}"`).report;

/** Reads by a session, and what takes long by the same one. */
export function readsOf(session: Session, schema: string): Reads {
  class Same extends QuerySessions {
    override alone<T>(work: (session: Session) => Promise<T>): Promise<T> {
      return work(session);
    }
  }
  return new Reads(new Same(async () => session), schema, reportOf(schema));
}

/** The writes of a processor that owns all partitions, by one session. */
export async function ownerWritesOf(session: Session, schema: string): Promise<FencedWrites> {
  const token = randomUUID();
  const values = [1, token, 'owner', '{}'];
  await session.query(
    'INSERT INTO processors (number, token, name, pids) VALUES ($1, $2, $3, $4)',
    values,
  );
  await session.query('UPDATE partitions SET owner = 1');
  const life = { number: 1, token, settle: session };
  const members = { life, channels: new Channels(schema), lost: () => {} };
  return new FencedWrites(members as unknown as Membership, partitions);
}

const json = (value: unknown): string | null =>
  value === undefined ? null : JSON.stringify(value);

/** The rows of the tables, each an object by the names of its columns. */
interface Rows {
  readonly orders: object[];
  readonly pending: object[];
  readonly outcomes: object[];
  readonly credits: object[];
}

/**
 * Keeps orders, the settled ones in the order of their settlements, and the balances that they leave.
 *
 * @param appliedAtOf - the time up to which all was settled
 */
export async function keep(
  session: Session,
  orders: readonly StoredOrder[],
  appliedAtOf: (order: StoredOrder) => number,
): Promise<void> {
  const rows: Rows = { orders: [], pending: [], outcomes: [], credits: [] };
  const balances = new Map<string, readonly [balance: number, appliedAt: number]>();
  const settlementOf = ({ settlement = 0 }: StoredOrder): number => settlement;
  for (const order of orders.toSorted((one, other) => settlementOf(one) - settlementOf(other))) {
    addRows(rows, order, appliedAtOf(order));
    if (order.balance === undefined) continue;
    balances.set(order.userId, [order.balance, appliedAtOf(order)]);
    for (const { userId, balance } of order.postings) {
      balances.set(userId, [balance as number, appliedAtOf(order)]);
    }
  }
  for (const [table, all] of Object.entries(rows)) await insert(session, table, all);
  const openings = [...balances].map(([userId, [balance, appliedAt]]) => {
    const user = { user_id: toKept(userId), balance, applied_at: appliedAt };
    return { ...user, opening: 0, opened_at: 0 };
  });
  await insert(session, 'balances', openings);
  const last = Math.max(0, ...orders.map(settlementOf));
  await session.query(`SELECT setval('settlement_sequence', ${Math.ceil(last / 1024) + 1})`);
}

function addRows(rows: Rows, order: StoredOrder, appliedAt: number): void {
  const { sequence: seq, settlement, userId } = order;
  const columns = acceptedColumnsOf(order, partitions, order.orderedAmount);
  const { part } = columns;
  const ordered = order.postings.map(({ userId, orderedAmount }) => ({
    userId,
    amount: orderedAmount,
  }));
  const postings = order.postings.map(({ userId, amount }) => ({ userId, amount }));
  rows.orders.push({
    ...{ seq, part, id: columns.id, user_id: columns.userId, amount: columns.amount },
    ...{ priority: columns.priority, accepted_at: columns.acceptedAt },
    ...{ not_before: columns.notBefore, expires_at: columns.expiresAt },
    ...{ payload: columns.payload, content: columns.content, labels: columns.labels },
    postings: postings.length === 0 ? null : json(ordered),
    retry_of: columns.retryOf,
  });
  if (settlement === undefined) {
    const { decided, compensations, remembered } = order;
    rows.pending.push({
      ...{ seq, part, user_id: columns.userId, epoch: 1 - order.attempt },
      ...{ decided: json(decided), compensations: json(compensations) },
      remembered: remembered.length === 0 ? null : json(remembered),
    });
    return;
  }
  rows.outcomes.push({
    ...{
      seq,
      settlement,
      amount: order.amount,
      status: statuses.indexOf(order.status as 'failed'),
    },
    ...{ started_at: order.startedAt, settled_at: order.settledAt, applied_at: appliedAt },
    ...{ balance: order.balance, retryable: order.retryable, user_id: toKept(userId) },
    ...{ code: order.code, message: order.message && toKept(order.message) },
    ...{ cause: json(order.cause), steps: json(order.steps), results: json(order.results) },
    postings: postings.length === 0 ? null : json(postings),
    balances:
      order.balance === undefined || postings.length === 0
        ? null
        : `{${order.postings.map(({ balance }) => balance)}}`,
  });
  if (order.balance === undefined) return;
  for (const { userId, amount, balance } of order.postings) {
    const user_id = toKept(userId);
    rows.credits.push({ user_id, settlement, seq, amount, balance, applied_at: appliedAt });
  }
}

async function insert(session: Session, table: string, rows: readonly object[]): Promise<void> {
  if (rows.length === 0) return;
  // What is not said has its default. JSON has no U+0000, and these texts neither.
  const columns = Object.keys(rows[0] as object).join(', ');
  await session.query(
    `INSERT INTO ${table} (${columns})
      SELECT ${columns} FROM json_populate_recordset(NULL::${table}, $1::json)`,
    [JSON.stringify(rows)],
  );
}
