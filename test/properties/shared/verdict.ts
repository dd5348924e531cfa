import type { OrderOutcome, Receipt, StoredOrder } from 'order-processor';
import type { Answer, Driver } from './driver.ts';

/** What says nothing of the order: it may be anything. */
const unclear = ['storage_failed', 'shut_down', 'queue_full'];

/** Everything that is wrong after a run. */
export function verdict(driver: Driver): string[] {
  return [
    ...driver.wrong,
    ...wrongCommits(driver),
    ...wrongOrder(driver),
    ...driver.answers.flatMap((answer) => wrongAnswer(answer, driver)),
    ...wrongBalances(driver),
  ];
}

function wrongCommits({ database }: Driver): string[] {
  const wrong: string[] = [];
  const seen = new Set<string>();
  for (const { order, isByOwner } of database.commits) {
    const { id } = order;
    if (!isByOwner) wrong.push(`invariant 12: ${id} is settled by one that does not own it`);
    if (seen.has(id)) wrong.push(`invariant 3: ${id} is settled twice`);
    seen.add(id);
    const { status } = database.find(id) as StoredOrder;
    if (status !== order.status) wrong.push(`invariant 3: ${id} is ${order.status} and ${status}`);
  }
  return wrong;
}

/** Orders of one user are settled in the order accepted, but for delayed ones; those canceled while they wait may go first. */
function wrongOrder({ database, before }: Driver): string[] {
  const wrong: string[] = [];
  const last = new Map<string, StoredOrder>();
  const settled: string[] = [];
  for (const { order } of database.commits) {
    if (order.status === 'canceled') continue;
    const { id, userId, sequence, notBefore } = order;
    if (notBefore !== undefined) continue;
    const other = last.get(userId);
    if (other !== undefined && other.sequence > sequence) {
      wrong.push(`invariant 1: ${id} is settled after ${other.id}, which was accepted later`);
    } else last.set(userId, order);
    const overtaken = settled.filter((each) => {
      const isSame = database.find(each)?.userId === userId;
      return isSame && before.get(each)?.has(id) === true;
    });
    if (overtaken.length > 0) {
      wrong.push(`invariant 1: ${id} was acknowledged before ${overtaken} was submitted`);
    }
    settled.push(id);
  }
  return wrong;
}

function wrongAnswer({ id, type, value, code }: Answer, { database }: Driver): string[] {
  if (value === undefined && code === undefined) return [`invariant 4: ${type} ${id} never ends`];
  const order = database.find(id);
  if (code !== undefined) {
    if (unclear.includes(code) || code === order?.code) return [];
    return [`invariant 3: ${type} ${id} rejects with ${code}, and is ${order?.code}`];
  }
  if (type === 'cancel') {
    if (value === false || order?.status === 'canceled') return [];
    return [`invariant 3: ${id} counts as canceled, and is ${order?.status}`];
  }
  if (type === 'outcome' && value === 'nothing') return [];
  if (order?.settledAt === undefined) return [`invariant 4: ${type} ${id} is never settled`];
  if (type === 'submit' && (value as Receipt).balance !== order.balance) {
    return [`invariant 5: ${id} has the balance ${order.balance}, and its caller another`];
  }
  if (type !== 'outcome') return [];
  const outcome = value as OrderOutcome;
  const isUnclear = 'error' in outcome && unclear.includes(outcome.error.code);
  if (isUnclear || outcome.status === order.status) return [];
  return [`invariant 5: ${id} is ${order.status}, and its outcome ${outcome.status}`];
}

function wrongBalances({ database }: Driver): string[] {
  const sums = new Map<string, number>();
  for (const { order } of database.commits) {
    if (order.status !== 'completed') continue;
    sums.set(order.userId, (sums.get(order.userId) ?? 0) + order.amount);
  }
  return [...sums].flatMap(([userId, sum]) => {
    const balance = database.disk.get(userId);
    return balance === sum ? [] : [`invariant 3: ${userId} has ${balance}, not ${sum}`];
  });
}
