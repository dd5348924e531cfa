import type { MemoryStorage, OrderProcessor, StoredOrder } from 'order-processor';
import type { Works } from './plan.ts';
import type { Witness } from './witness.ts';

/** What must be 0 when all is settled. */
const nothing = [
  ...['queueLength', 'unsettled', 'scheduled', 'activeWorkers', 'stalled', 'waitingCallers'],
  ...['heldLanes', 'heldOrders', 'oldestHoldMs', 'oldestWaitMs'],
] as const;

export function judgeStats(processor: OrderProcessor<Works>, witness: Witness): void {
  const stats: Readonly<Record<string, unknown>> = { ...processor.stats() };
  for (const name of nothing) {
    if (stats[name] !== 0) witness.wrong.push(`4, 11: ${name} is ${stats[name]} at the end`);
  }
  const { accepted, completed, failed, canceled } = processor.stats();
  // Orders of an earlier process are not accepted by this one, and a storage that failed may have done so unseen.
  const isWhole = witness.begun.length > 1 || witness.isInDoubt;
  if (isWhole || accepted === completed + failed + canceled) return;
  witness.wrong.push(`11: ${accepted} accepted, ${completed} + ${failed} + ${canceled} settled`);
}

/** What the storage has at the end. */
export function judgeEnd(disk: MemoryStorage, witness: Witness): void {
  const orders = [...disk.list({ limit: 10_000 }).orders].reverse();
  for (const problem of disk.check()) witness.wrong.push(`3: ${problem}`);
  for (const order of orders) judgeOrder(order, witness);
  for (const [id, outcome] of witness.told) {
    if (disk.find(id) === undefined) witness.wrong.push(`9: ${id} was ${outcome}, and is lost`);
  }
  if (!witness.isInDoubt) judgeTurns(orders, witness);
  const outside = orders.filter(({ status, postings }) => {
    return status === 'completed' && postings.length === 0;
  });
  const users = new Set(
    orders.flatMap(({ userId, postings }) => [userId, ...postings.map((each) => each.userId)]),
  );
  const sum = [...users].reduce((all, userId) => all + (disk.get(userId) ?? 0), 0);
  const came = outside.reduce((all, { amount }) => all + amount, 0);
  if (sum !== came) witness.wrong.push(`3: all balances are ${sum}, and ${came} came in`);
}

function judgeOrder({ id, status, balance }: StoredOrder, witness: Witness): void {
  const told = witness.told.get(id);
  if (told !== undefined && told !== status) {
    witness.wrong.push(`9: ${id} was ${told}, and is ${status}`);
  }
  if (status === 'pending') witness.wrong.push(`4: ${id} has no outcome`);
  if (witness.canceled.has(id) && status !== 'canceled') {
    witness.wrong.push(`3: \`cancel\` said that ${id} is canceled, and it is ${status}`);
  }
  if ((status === 'completed') !== (balance !== undefined)) {
    witness.wrong.push(`3: ${id} is ${status} with the balance ${balance}`);
  }
}

/** Orders of one user begin in the order accepted, in each process; delayed ones when their time comes. */
function judgeTurns(orders: readonly StoredOrder[], { begun, wrong }: Witness): void {
  const places = new Map(orders.map(({ id }, place) => [id, place]));
  const byId = new Map(orders.map((order) => [order.id, order]));
  for (const ids of begun) {
    const last = new Map<string, string>();
    for (const id of ids) {
      const { userId, notBefore } = byId.get(id) ?? {};
      if (userId === undefined || notBefore !== undefined) continue;
      const before = last.get(userId) ?? id;
      if ((places.get(before) ?? 0) > (places.get(id) ?? 0)) {
        wrong.push(`1: ${id} was accepted before ${before}, and begins after it`);
      }
      last.set(userId, id);
    }
  }
}
