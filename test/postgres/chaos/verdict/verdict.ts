import type { StoredOrder } from '../../../../src/index.ts';
import type { PostgresStorage } from '../../../../src/postgres/postgres-storage.ts';
import type { HeldTime } from '../load/operators.ts';
import type { Called } from '../load/orders.ts';
import type { NotifiedOutcome } from '../messages.ts';
import type { Witness } from '../witness.ts';
import { laneProblems } from './lanes.ts';
import { wrongMoney } from './money.ts';
import { readRuns, runProblems } from './runs.ts';

/** What is to be judged when all orders are settled. */
export interface Evidence {
  readonly storage: PostgresStorage;
  readonly witness: Witness;
  readonly called: ReadonlyMap<string, Called>;
  readonly heldTimes: readonly HeldTime[];
}

export interface Verdict {
  readonly problems: readonly string[];
  /** How many orders are settled, by status; how many pairs were compared, and so on. */
  readonly counts: Readonly<Record<string, number>>;
}

export async function judge({ storage, witness, called, heldTimes }: Evidence): Promise<Verdict> {
  const settled = await readSettled(storage);
  const runs = await readRuns(witness);
  const begun = [...new Set(runs.filter(({ epoch }) => epoch !== null).map((run) => run.orderId))];
  // Those that are canceled while they wait may come first, and those that have to wait come later.
  const isFree = new Set(settled.filter((each) => each.status === 'canceled').map(idOf));
  for (const { order } of called.values()) if (order.notBefore !== undefined) isFree.add(order.id);
  const inOrder = settled.map(idOf).filter((id) => !isFree.has(id));
  const ordered = begun.filter((id) => !isFree.has(id));
  const problems = [
    ...(await storage.check()),
    ...wrongOutcomes(settled, called),
    ...brokenPairs(inOrder, called, 'settled'),
    ...brokenPairs(ordered, called, 'begun'),
    ...runProblems(runs, settled),
    ...laneProblems({ runs, settled, called, heldTimes }),
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
  counts['came again'] = settled.filter(({ retryOf }) => retryOf !== undefined).length;
  counts.delayed = [...called.values()].filter(({ order }) => order.notBefore !== undefined).length;
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
