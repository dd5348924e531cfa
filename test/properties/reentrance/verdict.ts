/** What must hold after a life, whatever its host code did. */
import type { ShutdownSummary } from 'order-processor';
import { OrderProcessor } from 'order-processor';
import { KeptStorage } from '../../kit/kept-storage.ts';
import type { VirtualClock } from '../../kit/virtual-clock.ts';
import type { Traits } from './host.ts';
import type { Life } from './life.ts';

const ends: readonly string[] = ['completed', 'failed', 'canceled'];

/** Every promise that was handed out has settled, and `shutdown` resolved (invariant 4). */
export function pendingPromises(life: Life, summary: ShutdownSummary | undefined): string[] {
  const pending = life.promises.filter(({ isSettled }) => !isSettled);
  const problems = pending.map(({ what }) => `${what} is pending`);
  return summary === undefined ? ['shutdown is pending', ...problems] : problems;
}

/** Each user's orders complete in the order accepted, and are accepted in the order handed in (invariant 1). */
export function overtakings(life: Life, { isWild, hasSchema }: Traits): string[] {
  // An id that comes again may be accepted twice: it was refused, or forgotten.
  if (life.repeats) return [];
  const completed = outOfOrder('completed', life.completed, life.accepted);
  // What is handed in while another is being handed in has no order of its own.
  if (isWild || hasSchema) return completed;
  return [...completed, ...outOfOrder('accepted', life.accepted, life.handedIn)];
}

type Lists = ReadonlyMap<string, readonly string[]>;

function outOfOrder(what: string, lists: Lists, inOrder: Lists): string[] {
  return [...inOrder].flatMap(([userId, all]) => {
    const got = (lists.get(userId) ?? []).filter((id) => all.includes(id));
    const expected = all.filter((id) => got.includes(id));
    return expected.join() === got.join() ? [] : [`${userId} ${what}: ${got}, not ${expected}`];
  });
}

/** Every order is accepted once, begins after that, and ends once (invariant 3). */
export function wrongEvents(life: Life): string[] {
  if (life.repeats) return [];
  return [...life.events].flatMap(([id, events]) => {
    const count = (names: readonly string[]): number =>
      events.filter((name) => names.includes(name)).length;
    const end = events.findIndex((name) => ends.includes(name));
    const [accepted, started] = [events.indexOf('accepted'), events.indexOf('started')];
    const isRight =
      count(ends) <= 1 &&
      count(['accepted']) <= 1 &&
      !(end >= 0 && Math.max(accepted, started) > end) &&
      !(started >= 0 && accepted > started) &&
      !(events[end] === 'completed' && accepted < 0);
    return isRight ? [] : [`${id}: ${events}`];
  });
}

/** All that was accepted has ended or is kept, and nothing is left in memory (invariants 3 and 6). */
export function wrongCounts(life: Life, summary: ShutdownSummary | undefined): string[] {
  const { accepted, completed, failed, canceled, unsettled } = life.processor.stats();
  const problems = unsettled === 0 ? [] : [`${unsettled} orders are left`];
  const ended = completed + failed + canceled + (summary?.kept ?? 0);
  // The summary of an earlier shutdown says what that one has kept.
  if (life.endsEarly || accepted === ended) return problems;
  return [...problems, `${accepted} accepted, ${ended} ended`];
}

/** What the storage kept is settled by the next process, and its balances are those of what completed (invariants 3 and 9). */
export async function nextStart(life: Life, clock: VirtualClock): Promise<string[]> {
  const { disk, offences } = life.host.kept;
  const problems = [...offences];
  const next = new OrderProcessor({ storage: new KeptStorage(disk) });
  let hasEnded = false;
  next.ready
    .then(() => next.onIdle())
    .then(() => next.shutdown())
    .then(() => {
      hasEnded = true;
    });
  await clock.advance(60_000);
  if (!hasEnded) problems.push('The next process does not end');
  const sums = new Map<string, number>();
  for (const order of disk.list({ limit: 1_000 }).orders) {
    if (order.settledAt === undefined) problems.push(`${order.id} is unsettled`);
    if (order.status !== 'completed') continue;
    sums.set(order.userId, (sums.get(order.userId) ?? 0) + order.amount);
  }
  for (const [userId, sum] of sums) {
    if (disk.get(userId) !== sum) problems.push(`${userId} has ${disk.get(userId)}, not ${sum}`);
  }
  return [...problems, ...wrongEnds(life)];
}

/** Callers were notified of what the storage has. */
function wrongEnds(life: Life): string[] {
  if (life.repeats) return [];
  return life.host.kept.disk.list({ limit: 1_000 }).orders.flatMap(({ id, status }) => {
    const end = life.events.get(id)?.find((name) => name === 'completed' || name === 'canceled');
    return end === undefined || end === status ? [] : [`${id} is ${status}, and was ${end}`];
  });
}
