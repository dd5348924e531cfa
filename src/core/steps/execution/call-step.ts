import { stepChannel } from '../../tracing/channels.ts';
import type { CompensationContext } from '../contexts.ts';
import type { ExecutionFacts } from './execution-facts.ts';
import type { ExecutionRun } from './execution-run.ts';
import { Context, ContextOfCompensation, type ContextRun } from './step-context.ts';
import { TracedAttempt, type TracedRun } from './traced-attempt.ts';

/**
 * Asks whether the processor has lost the order: that aborts this attempt, and the function is not called.
 *
 * @throws OrderError the one of the run
 */
export function checkOwned(
  { mayBegin, error }: Pick<ExecutionRun<never>, 'mayBegin' | 'error'>,
  execution: ExecutionFacts,
): void {
  // An order that is settled is no other processor's to compensate.
  if (mayBegin?.() === false && execution.state === 'abandoned') throw error;
}

/** What the function of the attempt that begins gets. */
export function contextOf(
  run: ContextRun,
  execution: ExecutionFacts,
): Context | ContextOfCompensation {
  const { compensated } = execution;
  return compensated === undefined
    ? new Context(run, execution)
    : new ContextOfCompensation(run, execution, compensated);
}

/** Calls the function of a step, or of its compensation. */
export function callStep(
  run: TracedRun,
  execution: ExecutionFacts,
  context: Context | ContextOfCompensation,
): unknown {
  if (!stepChannel.hasSubscribers) return callFunction(run, execution, context);
  execution.traced = new TracedAttempt(run, execution, execution.traced);
  return execution.traced.call(() => callFunction(run, execution, context));
}

function callFunction(
  { accepted }: TracedRun,
  { step, compensated }: ExecutionFacts,
  context: Context | ContextOfCompensation,
): unknown {
  const order = accepted as never;
  if (compensated === undefined) return step.run(order, context as Context);
  return step.compensate?.(order, context as CompensationContext<never, never>);
}
