import type { StoredOrder } from '../../../src/index.ts';
import type { PostgresStorage } from '../../../src/postgres/postgres-storage.ts';
import { type Called, users } from './callers.ts';
import type { NotifiedOutcome } from './messages.ts';
import { readRuns, runProblems } from './runs.ts';
import type { Witness } from './witness.ts';

/** What is to be judged when all orders are settled. */
export interface Evidence {
  readonly storage: PostgresStorage;
  readonly witness: Witness;
  readonly called: ReadonlyMap<string, Called>;
}

export interface Verdict {
  readonly problems: readonly string[];
  /** How many orders are settled, by status; how many pairs were compared, and so on. */
  readonly counts: Readonly<Record<string, number>>;
}

export async function judge({ storage, witness, called }: Evidence): Promise<Verdict> {
  const settled = await readSettled(storage);
  const runs = await readRuns(witness);
  const inOrder = settled.filter(({ status }) => status !== 'canceled').map(({ id }) => id);
  const begun = [...new Set(runs.filter(({ epoch }) => epoch !== null).map((run) => run.orderId))];
  const isCanceled = new Set(settled.filter((each) => each.status === 'canceled').map(idOf));
  const ordered = begun.filter((id) => !isCanceled.has(id));
  const problems = [
    ...(await storage.check()),
    ...wrongOutcomes(settled, called),
    ...brokenPairs(inOrder, called, 'settled'),
    ...brokenPairs(ordered, called, 'begun'),
    ...runProblems(runs, settled),
    ...(await wrongMoney(storage, settled)),
    ...(await wrongFeed(witness, settled)),
    ...(await breaches(witness)),
  ];
  const acked = [...called.values()].filter(({ ackedAt }) => ackedAt !== undefined);
  const counts: Record<string, number> = { called: called.size, acknowledged: acked.length };
  counts.pairs = pairsOf(called);
  for (const { status } of settled) counts[status] = (counts[status] ?? 0) + 1;
  const again = runs.filter(({ event, step }) => event === 'began' && step === 'pay');
  counts['steps begun again'] = again.length - new Set(again.map(({ orderId }) => orderId)).size;
  counts['runs without ownership'] = runs.filter(({ epoch }) => epoch === null).length;
  return { problems, counts };
}

async function readSettled(storage: PostgresStorage): Promise<readonly StoredOrder[]> {
  const settled: StoredOrder[] = [];
  for (let after = 0; ; ) {
    const { orders, next } = await storage.settled({ after, limit: 1_000 });
    settled.push(...orders);
    if (next === after) return settled;
    after = next;
  }
}

function idOf({ id }: { readonly id: string }): string {
  return id;
}

/** Invariants 3, 5 and 9. */
function* wrongOutcomes(
  settled: readonly StoredOrder[],
  called: ReadonlyMap<string, Called>,
): Generator<string> {
  const byId = new Map(settled.map((order) => [order.id, order]));
  if (byId.size !== settled.length) yield 'An order has two outcomes (invariant 3)';
  for (const order of settled) {
    const call = called.get(order.id);
    const ordered = order.postings.map(({ userId, orderedAmount }) => [userId, orderedAmount]);
    const asked = call?.order.postings?.map(({ userId, amount }) => [userId, amount]) ?? [];
    const isSame =
      call?.order.userId === order.userId &&
      call.order.amount === order.orderedAmount &&
      JSON.stringify(ordered) === JSON.stringify(asked);
    if (!isSame) yield `${order.id} is not what was handed in: ${JSON.stringify(order)}`;
  }
  for (const { order, ackedAt, notified } of called.values()) {
    const found = byId.get(order.id);
    if (ackedAt !== undefined && found === undefined) {
      yield `${order.id} was acknowledged and has no outcome (invariant 9)`;
    }
    for (const each of notified) {
      if (found !== undefined && isAsNotified(found, each)) continue;
      yield `${order.id}: notified ${JSON.stringify(each)}, found ${JSON.stringify(found)} (invariant 3)`;
    }
  }
}

function isAsNotified(
  { status, balance, code, results }: StoredOrder,
  notified: NotifiedOutcome,
): boolean {
  if (status !== notified.status) return false;
  if (status === 'canceled') return true;
  if (status === 'failed') return code === notified.code;
  const { pay } = results as { pay?: { run?: string } };
  return balance === notified.balance && pay?.run === notified.paidBy;
}

/** Invariant 1: what was acknowledged before another order of its user was handed in comes before it. */
function* brokenPairs(
  ids: readonly string[],
  called: ReadonlyMap<string, Called>,
  what: string,
): Generator<string> {
  /** By user: of those that come later, the one that was acknowledged first. */
  const earliest = new Map<string, Called>();
  for (const id of ids.toReversed()) {
    const call = called.get(id);
    if (call === undefined) continue;
    const { userId } = call.order;
    const later = earliest.get(userId);
    if (later?.ackedAt !== undefined && later.ackedAt < call.calledAt) {
      yield `${id} was ${what} before ${later.order.id}, which was acknowledged before it was called (invariant 1)`;
    }
    if ((call.ackedAt ?? Infinity) < (later?.ackedAt ?? Infinity)) earliest.set(userId, call);
  }
}

/** How many pairs of orders have a place before each other, by what callers know. */
function pairsOf(called: ReadonlyMap<string, Called>): number {
  let pairs = 0;
  for (const ofUser of Map.groupBy(called.values(), ({ order }) => order.userId).values()) {
    const acks = ofUser.map(({ ackedAt = Infinity }) => ackedAt).sort((one, other) => one - other);
    let before = 0;
    for (const { calledAt } of ofUser.sort((one, other) => one.calledAt - other.calledAt)) {
      while (before < acks.length && (acks[before] as number) < calledAt) before += 1;
      pairs += before;
    }
  }
  return pairs;
}

/** Invariant 3, and the bound of balances. */
async function wrongMoney(
  storage: PostgresStorage,
  settled: readonly StoredOrder[],
): Promise<string[]> {
  const problems: string[] = [];
  let balances = 0;
  for (const userId of users) {
    let balance = 0;
    for (let after = 0; ; ) {
      const query = { userId, after, from: undefined, before: undefined, limit: 1_000 };
      const { movements, next } = await storage.movements(query);
      for (const movement of movements) {
        balance += movement.amount;
        if (movement.balance !== balance) {
          problems.push(`${userId}: ${JSON.stringify(movement)} leaves ${balance} (invariant 3)`);
        }
        if (balance < 0) problems.push(`${userId} has ${balance}: below minBalance`);
      }
      if (next === undefined) break;
      after = next;
    }
    const kept = (await storage.get(userId)) ?? 0;
    if (kept !== balance) problems.push(`${userId} has ${kept}, its movements make ${balance}`);
    balances += kept;
  }
  let fromOutside = 0;
  for (const order of settled) {
    if (order.status !== 'completed') continue;
    const sum = order.postings.reduce((total, { amount }) => total + amount, order.amount);
    const ordered = order.postings.reduce(
      (total, { orderedAmount }) => total + orderedAmount,
      order.orderedAmount,
    );
    if (ordered === 0 && sum !== 0) problems.push(`${order.id} is a transfer that makes ${sum}`);
    fromOutside += sum;
  }
  if (balances !== fromOutside) {
    problems.push(`All accounts have ${balances}, outside money makes it ${fromOutside}`);
  }
  return problems;
}

/** The feed has given each outcome once, in the order in which they were settled. */
async function wrongFeed(witness: Witness, settled: readonly StoredOrder[]): Promise<string[]> {
  const rows = await witness.query<{ settlement: string; id: string; status: string }>(
    'SELECT settlement, id, status FROM chaos.consumed ORDER BY at',
  );
  const consumed = rows.map(({ settlement, id, status }) => `${settlement} ${id} ${status}`);
  const ought = settled.map(({ settlement, id, status }) => `${settlement} ${id} ${status}`);
  const at = ought.findIndex((each, place) => consumed[place] !== each);
  if (at === -1 && consumed.length === ought.length) return [];
  return [
    `The feed gave ${consumed.length} outcomes of ${ought.length}; ${at === -1 ? '' : `at ${at} ${consumed[at]}, settled ${ought[at]}`}`,
  ];
}

/** Invariant 12. */
async function breaches(witness: Witness): Promise<string[]> {
  const rows = await witness.query<{ text: string }>(
    `SELECT format('Order %s was %s after %s by %s, %s, owned by %s (invariant 12)', seq, what, after, writer,
       CASE WHEN is_member THEN 'which is there' ELSE 'which is gone' END, coalesce(owner, 'none')) AS text
     FROM chaos.breaches ORDER BY after`,
  );
  return rows.map(({ text }) => text);
}
