import type { Failure } from '../../lifecycle/entry.ts';
import type { Job } from '../../lifecycle/job.ts';
import { nothingToDo } from '../../order/decision.ts';
import { asError, causeOfOrder } from '../../order/order-cause.ts';
import { OrderError } from '../../order/order-error.ts';
import { noResults, noSteps } from '../../order/step-result.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { HeldFailure } from '../../storage/holds/held-failure.ts';
import type { StoredHold } from '../../storage/holds/hold.ts';

/** What a storage is to keep of the failure of an order that holds its lane. */
export function failureToKeep(
  job: Job,
  { decision: { error, steps, results }, startedAt }: Failure,
  clock: Clock,
): HeldFailure {
  return {
    startedAt: startedAt === undefined ? undefined : job.unixOf(startedAt, clock),
    retryable: error?.retryable === true,
    cause: error && causeOfOrder(error),
    steps,
    results,
  };
}

/** How the order that holds a lane has failed, in this process or in an earlier one. */
export function failureOf(job: Job, { code, message, failure }: StoredHold, clock: Clock): Failure {
  const held = job.tries?.held;
  if (held !== undefined) return held;
  const { startedAt, cause, steps = noSteps, results = noResults } = failure ?? {};
  const retryable = failure?.retryable ?? job.entry?.decided?.retryable;
  const facts = { ...job.facts, outcome: 'failed', retryable, steps } as const;
  const error = new OrderError(code ?? 'internal', message ?? '', {
    ...facts,
    cause: cause && asError(cause),
  });
  return {
    decision: { ...nothingToDo, outcome: 'failed', error, steps, results },
    startedAt: startedAt === undefined ? undefined : readingOf(startedAt, job, clock),
  };
}

/** Never later than now, even if the machine's clock was set back since. */
function readingOf(unixMs: number, job: Job, clock: Clock): number {
  return Math.min(clock.read(), unixMs - job.unixOf(0, clock));
}
