import type { StoredOrder } from 'order-processor';
import type { Driver } from './driver.ts';
import { wrongAnswer } from './wrong-answer.ts';

/** Everything that is wrong after a run. */
export function verdict(driver: Driver): string[] {
  return [
    ...driver.wrong,
    ...wrongCommits(driver),
    ...wrongOrder(driver),
    ...driver.calls.answers.flatMap((answer) => wrongAnswer(answer, driver)),
    ...wrongBalances(driver),
    ...wrongRetries(driver),
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
function wrongOrder({ database, calls: { before } }: Driver): string[] {
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

/** Each order came again as one order at most. */
function wrongRetries({ database, calls: { answers } }: Driver): string[] {
  const ids = new Set(answers.map(({ id }) => id));
  return [...ids].flatMap((id) => {
    const { retriedAs } = database.find(id) ?? {};
    if (retriedAs === undefined || database.find(retriedAs)?.retryOf === id) return [];
    return [`invariant 5: ${id} came again as ${retriedAs}, which does not say so`];
  });
}
