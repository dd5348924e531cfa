import type { StoredOrder } from '../../../../src/index.ts';
import type { HeldTime } from '../load/operators.ts';
import type { Called } from '../load/orders.ts';
import { historyOf, type Run } from './runs.ts';

interface LaneEvidence {
  readonly runs: readonly Run[];
  readonly settled: readonly StoredOrder[];
  readonly called: ReadonlyMap<string, Called>;
  readonly heldTimes: readonly HeldTime[];
}

/** What is wrong with held lanes, with orders that had to wait and with those that came again. */
export function laneProblems(evidence: LaneEvidence): string[] {
  return [
    ...inHeldLanes(evidence),
    ...heldByHand(evidence),
    ...beforeTheirTime(evidence),
    ...again(evidence),
  ];
}

/** Invariant 1: while a failed order holds its lane, by what the storage has, no order of it begins. */
function* inHeldLanes({ runs }: LaneEvidence): Generator<string> {
  for (const { orderId, step, event, epoch, heldBy, worker } of runs) {
    if (step !== 'pay' || event !== 'began' || epoch === null || heldBy === null) continue;
    yield `${orderId} began at ${worker} in a lane that ${heldBy} held (invariant 1)`;
  }
}

/** The same of lanes that are held by hand: of what was handed in when the hold was acknowledged. */
function* heldByHand({ runs, called, heldTimes }: LaneEvidence): Generator<string> {
  const byUser = Map.groupBy(heldTimes, ({ userId }) => userId);
  for (const { at, orderId, userId, event, epoch, worker } of runs) {
    const calledAt = called.get(orderId)?.calledAt;
    if (event !== 'began' || epoch === null || calledAt === undefined) continue;
    for (const { from, to } of byUser.get(userId) ?? []) {
      if (calledAt <= from || at > to) continue;
      yield `${orderId} began at ${worker} in a lane that was held by hand (invariant 1)`;
    }
  }
}

/** A row is written after its step has begun: by the server's clock it is never too early. */
function* beforeTheirTime({ runs, called, settled }: LaneEvidence): Generator<string> {
  for (const { orderId, step, event, worker, writtenAt } of runs) {
    const notBefore = called.get(orderId)?.order.notBefore ?? 0;
    if (step !== 'pay' || event !== 'began' || writtenAt >= notBefore) continue;
    const early = `${Math.round(notBefore - writtenAt)} ms before its time`;
    yield `${orderId} began at ${worker} ${early}: ${historyOf(
      runs,
      orderId,
      settled.find(({ id }) => id === orderId),
    )}`;
  }
}

/** Invariant 5: an order comes again as one order. */
function* again({ settled }: LaneEvidence): Generator<string> {
  const byId = new Map(settled.map((order) => [order.id, order]));
  for (const { id, retryOf, retriedAs } of settled) {
    if (retryOf !== undefined && byId.get(retryOf)?.retriedAs !== id) {
      yield `${id} is ${retryOf} once more, which came again as ${byId.get(retryOf)?.retriedAs} (invariant 5)`;
    }
    if (retriedAs !== undefined && byId.get(retriedAs)?.retryOf !== id) {
      yield `${id} came again as ${retriedAs}, which does not say so (invariant 5)`;
    }
  }
}
