import type { Job } from '../../lifecycle/job.ts';
import { traceSubmit } from '../../lifecycle/tracing/trace-job.ts';
import type { UnfulfilledOutcome } from '../../order/outcome.ts';
import { submitChannel } from '../../tracing/channels.ts';
import { unreadable } from '../../tracing/order-trace.ts';
import type { Admission } from '../admission.ts';
import type { Entry } from '../callers.ts';

/** Admits an order that its caller follows; see `Admission`. */
export function handIn(admission: Admission, job: Job, entry: Entry): Promise<void> | undefined {
  if (!submitChannel.hasSubscribers) return admission.admit(job, entry);
  const { method, retried } = entry;
  return traceSubmit(job, admission.traced, { method, retried }, () => admission.admit(job, entry));
}

/** The outcome of an order that cannot be parsed, or whose options are wrong. */
export function refusalOf(
  admission: Admission,
  thrown: unknown,
  method: Entry['method'],
): UnfulfilledOutcome {
  const outcome = admission.refusalOf(thrown);
  if (submitChannel.hasSubscribers) unreadable(admission.traced, method, outcome.error);
  return outcome;
}
