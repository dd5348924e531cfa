import type { Engine } from '../engine.ts';
import { type Follower, type Job, toldOf } from '../lifecycle/job.ts';
import type { OrderError } from '../order/order-error.ts';
import type { OrderOutcome, OrderRecord } from '../order/outcome.ts';
import { leftBehind, storageFailed, waitingEnded } from '../order/processor-errors.ts';
import { outcomeOfRecord } from '../order/record.ts';
import { untilAbort } from '../runtime/abort.ts';

/**
 * What an accepted order comes to, as soon as a caller of its `submit` would hear it; `undefined` if there
 * is none with this id.
 *
 * @param signal - ends the waiting, and never the order
 */
export async function endOf(
  engine: Engine,
  id: string,
  signal: AbortSignal | undefined,
): Promise<OrderOutcome | undefined> {
  if (signal?.aborted) throw waitingEnded(id, signal);
  const { intake, keeper } = engine;
  for (let isAgain = false; ; isAgain = true) {
    const job = intake.jobs.get(id);
    // Until it is accepted, another order may have the id.
    if (job !== undefined && !engine.ownsId(job)) {
      const stored = await keeper?.lookup.stored(id, signal);
      if (stored?.settledAt !== undefined) return outcomeOfRecord(stored);
      if (intake.jobs.get(id) !== job) continue;
    }
    const outcome = job && (await whenTold(engine, job, signal));
    // One that came to nothing on its way into the storage may have borne another order's id.
    if (outcome !== undefined && outcome.status !== 'refused') return outcome;
    const record = intake.settled(id) ?? (await keeper?.lookup.stored(id, signal));
    if (record?.settledAt !== undefined) return outcomeOfRecord(record);
    if (record === undefined) return undefined;
    const isHere = intake.jobs.get(id) !== undefined;
    // It may have been taken up and settled since it was read.
    if (!isHere && (isAgain || keeper?.isLeaving)) return outcomeOfLost(engine, record);
  }
}

function whenTold(
  { dispatcher }: Engine,
  job: Job,
  signal: AbortSignal | undefined,
): OrderOutcome | Promise<OrderOutcome> {
  const told = toldOf(job);
  if (told !== undefined) return told;
  const error = (): OrderError => waitingEnded(job.id, signal);
  const end = dispatcher.runner.awaited.begin(job);
  const outcome = untilAbort<OrderOutcome>(signal, error, (resolve) => {
    const follower: Follower = (outcome) => resolve(outcome);
    job.follow(follower);
    return () => job.unfollow(follower);
  });
  if (end !== undefined) outcome.then(end, end);
  return outcome;
}

/** An order that the storage keeps, and that this processor will not take up. */
function outcomeOfLost({ admission }: Engine, record: OrderRecord): OrderOutcome {
  const { id: orderId, userId, labels } = record;
  if (!admission.isOpen) return leftBehind({ orderId, userId, labels });
  // Its callers have heard the same.
  const message =
    'The call that kept the order failed; submit it again, or the next start takes it up';
  throw storageFailed(message, undefined, record);
}
