import type { Clock } from '../../runtime/clock.ts';
import type { SubmitMessage } from '../../tracing/messages.ts';
import type { TracedProcessor } from '../../tracing/operation.ts';
import { OrderTrace } from '../../tracing/order-trace.ts';
import type { Job } from '../job.ts';

/** Publishes that a call hands an order in, and admits it. */
export function traceSubmit<T>(
  job: Job,
  traced: TracedProcessor,
  { method, retried }: Pick<SubmitMessage, 'method' | 'retried'>,
  admit: () => T,
): T {
  job.trace = new OrderTrace();
  return job.trace.submit(traced, method, job, retried, admit);
}

/**
 * Publishes that the processing of an order begins. Its functions are called in the context that subscribers bind,
 * within that of its caller.
 *
 * @param startReading - when, on the processor's clock
 */
export function traceProcessing(
  job: Job,
  traced: TracedProcessor,
  startReading: number,
  clock: Clock,
): void {
  const trace = job.trace ?? new OrderTrace();
  job.trace = trace;
  const facts = { order: job.run?.accepted, startReading, clock };
  const { scope } = job;
  if (scope === undefined) traced.outside(() => trace.begin(traced, job, facts, () => {}));
  else job.scope = scope.renew((enter) => trace.begin(traced, job, facts, enter));
}
