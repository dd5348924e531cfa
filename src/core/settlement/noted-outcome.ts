import type { Job } from '../lifecycle/job.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import type { UnfulfilledOutcome } from '../order/outcome.ts';

/** The storage has noted that an accepted order does not complete. */
export function noted(lifecycle: Lifecycle, job: Job, outcome: UnfulfilledOutcome): void {
  const { entry, run } = job;
  if (entry !== undefined) entry.isNoted = true;
  // It may have been noted only so that its compensations may begin.
  if (run === undefined || run.notified !== undefined || entry?.canceled !== undefined) {
    if (entry !== undefined) entry.notified = outcome;
    lifecycle.notified(job, outcome);
  }
  run?.noted();
}
