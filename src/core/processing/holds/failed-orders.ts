import { entryOf, type Failure, triesOf } from '../../lifecycle/entry.ts';
import type { InFlightOrders } from '../../lifecycle/in-flight-orders.ts';
import type { Job } from '../../lifecycle/job.ts';
import { type Decision, nothingToDo } from '../../order/decision.ts';
import { OrderError } from '../../order/order-error.ts';
import { noSteps, notUndone, type StepResult } from '../../order/step-result.ts';
import type { Cancellation } from '../../runtime/abort.ts';
import type { Clock } from '../../runtime/clock.ts';
import { quote } from '../../runtime/thrown.ts';
import type { Hold, RetriedOrder, StoredHold } from '../../storage/holds/hold.ts';
import { failureToKeep } from './kept-failure.ts';
import type { Release, ReleaseAction } from './release-options.ts';

/** The failed order that holds a lane and waits at its head. */
export function orderOf(hold: Hold, inFlight: InFlightOrders): Job | undefined {
  const job = hold.orderId === undefined ? undefined : inFlight.get(hold.orderId);
  return job?.state === 'pending' && job.userId === hold.userId ? job : undefined;
}

/**
 * The hold of an order that has failed.
 *
 * @param known - the hold of its lane, if it is held by hand
 */
export function holdBy(
  job: Job,
  held: Failure,
  known: StoredHold | undefined,
  clock: Clock,
): StoredHold {
  const { error, steps } = held.decision;
  const compensated = steps.filter(isCompensated).map(({ name }) => name);
  return {
    userId: job.userId,
    reason: known?.reason,
    heldAt: known?.heldAt ?? clock.toUnix(clock.read()),
    ...{ orderId: job.id, code: error?.code, message: error?.message },
    ...(compensated.length > 0 && { compensated }),
    failure: failureToKeep(job, held, clock),
  };
}

function isCompensated({ status, compensation }: StepResult): boolean {
  return status === 'compensated' || compensation?.status === 'ok';
}

/** The decision of an order that is canceled while it holds its lane, or before it begins again. */
export function canceledBy(
  job: Job,
  { decision: { steps, results } }: Failure,
  { code = 'canceled', message, cause }: Cancellation,
): Decision {
  const error = new OrderError(code, message, { ...job.facts, cause, outcome: 'canceled', steps });
  return { ...nothingToDo, outcome: 'canceled', error, steps, results };
}

/** What the storage is to keep of an order that is tried again. */
export function retriedOf(job: Job, { compensated = [] }: Hold): RetriedOrder {
  const compensations: Record<string, number> = { ...job.tries?.compensations };
  for (const step of compensated) compensations[step] = (compensations[step] ?? 0) + 1;
  return { orderId: job.id, compensations };
}

/** The order runs again when its turn comes; its attempts go on. */
export function tryAgain(job: Job, { compensations }: RetriedOrder): void {
  const before = job.tries?.held;
  const steps = before?.decision.steps ?? noSteps;
  const most = steps.reduce((count, { attempts }) => Math.max(count, attempts), 0);
  forgetFailure(job);
  job.tries = { ...triesOf(compensations, (job.tries?.attempts ?? 0) + most), before };
  if (job.remembered !== undefined) job.remembered = notUndone(job.remembered, compensations);
}

/** What was noted of its failure does not count any more. */
export function forgetFailure(job: Job): void {
  const { entry, tries } = job;
  if (tries !== undefined) job.tries = triesOf(tries.compensations, tries.attempts);
  if (entry !== undefined) job.entry = entryOf(entry.attempt);
}

/** Whether a hold is the one that a release was asked for, though another `reason` may have been noted. */
export function isSameHold(hold: StoredHold | undefined, held: StoredHold): boolean {
  if (hold?.heldAt !== held.heldAt) return false;
  if (held.orderId === undefined) return true;
  return hold.orderId === held.orderId && hold.failure?.startedAt === held.failure?.startedAt;
}

/**
 * The hold of a lane that is to be released.
 *
 * @throws OrderError `not_held` if the lane is not held, or not by the order that is said to hold it, if one is
 */
export function heldBy(
  hold: StoredHold | undefined,
  userId: string,
  { orderId, held }: Pick<Release, 'orderId' | 'held'>,
): StoredHold {
  const isHeld = hold !== undefined && (held === undefined || isSameHold(hold, held));
  if (isHeld && (orderId === undefined || hold.orderId === orderId)) return hold;
  const message =
    orderId === undefined
      ? `The lane of user ${quote(userId)} is not held`
      : `Expected order ${quote(orderId)} to hold the lane of user ${quote(userId)}, ${holderOf(hold)}`;
  throw new OrderError('not_held', message, { userId, orderId });
}

function holderOf(hold: Hold | undefined): string {
  if (hold === undefined) return 'which is not held';
  const { orderId } = hold;
  return orderId === undefined ? 'which is held by hand' : `but order ${quote(orderId)} does`;
}

/** @throws TypeError for an action that the lane does not allow */
export function checkAction(
  { userId, orderId }: Hold,
  job: Job | undefined,
  action: ReleaseAction | undefined,
): void {
  const lane = `the lane of user ${quote(userId)}`;
  if (job !== undefined && action === undefined) {
    throw new TypeError(
      `Expected \`action\` to be 'retry' or 'skip', since the failed order ${quote(job.id)} holds ${lane}`,
    );
  }
  // An order that is settled by now may be one whose release has failed since.
  if (orderId === undefined && action === 'skip') {
    throw new TypeError(`Expected a failed order to hold ${lane}, which \`skip\` settles`);
  }
}

/** A hold as callers and listeners get it: what steps have returned is not for all of them. */
export function shown({ failure, ...hold }: StoredHold): Hold {
  const cause = failure?.cause;
  return cause === undefined ? hold : { ...hold, cause };
}

/** Resolves when the outcome is recorded: a storage that failed may record it much later than `outcome` resolves. */
export function whenRecorded(job: Job): Promise<void> {
  return new Promise((resolve) => {
    job.follow({
      notify: (_, isSettled) => {
        if (isSettled) resolve();
        return isSettled;
      },
    });
  });
}
