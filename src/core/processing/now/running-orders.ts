import type { Job } from '../../lifecycle/job.ts';
import { isName, nameForm } from '../../order/parse-order.ts';
import { checkInteger, checkOptions, wrong } from '../../runtime/checks.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { StepExecution } from '../../steps/execution/step-execution.ts';
import type { StepRun } from '../../steps/run/step-run.ts';
import type { RunningOrder, RunningStep } from './running-order.ts';

/**
 * Which running orders {@link OrderProcessor.running} gives; a filter that is left out does not apply.
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 *
 * await using processor = new OrderProcessor();
 * for (const { orderId, steps } of processor.running({ isStalled: true })) console.error(orderId, steps);
 * ```
 *
 * @category Lanes
 */
export interface RunningQuery {
  /** With this id. */
  readonly orderId?: string | undefined;
  /** Of this user. */
  readonly userId?: string | undefined;
  /** Whether they are stalled. */
  readonly isStalled?: boolean | undefined;
  /** How many at most: an integer from 1 up, 100 by default. */
  readonly limit?: number | undefined;
}

/** @throws TypeError or RangeError */
export function readRunningQuery(query: RunningQuery): RunningQuery & { readonly limit: number } {
  checkOptions('running', query, ['orderId', 'userId', 'isStalled', 'limit']);
  const { orderId, userId, isStalled, limit = 100 } = query;
  for (const [name, value] of Object.entries({ orderId, userId })) {
    if (value !== undefined && !isName(value)) throw wrong(TypeError, name, nameForm, value);
  }
  if (isStalled !== undefined && typeof isStalled !== 'boolean') {
    throw wrong(TypeError, 'isStalled', 'a boolean', isStalled);
  }
  checkInteger('limit', limit, 1);
  return { orderId, userId, isStalled, limit };
}

/** The orders whose steps run, the one that began first first. */
export function runningOrders(
  runs: readonly StepRun<Job>[],
  clock: Clock,
  query: RunningQuery,
): RunningOrder[] {
  const { orderId, userId, isStalled, limit } = readRunningQuery(query);
  const found: RunningOrder[] = [];
  for (const run of runs) {
    if (orderId !== undefined && run.order.id !== orderId) continue;
    if (userId !== undefined && run.order.userId !== userId) continue;
    if (isStalled !== undefined && run.isStalled !== isStalled) continue;
    if (found.length === limit) break;
    found.push(toRunningOrder(run, clock));
  }
  return found;
}

function toRunningOrder(run: StepRun<Job>, clock: Clock): RunningOrder {
  const { order, progress, isStalled, startedAt, isDecided } = run;
  clock.read();
  const { id: orderId, userId, labels } = order;
  const unix = (reading: number): number => order.unixOf(reading, clock);
  return {
    ...{ orderId, userId, labels, startedAt: unix(startedAt), isStalled },
    ...{ isEnding: isDecided, progress, steps: stepsOf(run, unix) },
  };
}

function stepsOf(run: StepRun<Job>, unix: (reading: number) => number): RunningStep[] {
  const { executions, settings } = run;
  const steps = settings.plan.steps.map((step): RunningStep => {
    const execution = executions.find((each) => each.step === step && !each.compensated);
    if (execution !== undefined) return toStep(execution, unix);
    const nothing = { startedAt: undefined, endedAt: undefined, attempts: 0, result: undefined };
    return { name: step.name, isCompensation: false, state: 'waiting', ...nothing };
  });
  const compensations = executions.filter((each) => each.compensated !== undefined);
  return [...steps, ...compensations.map((each) => toStep(each, unix))];
}

function toStep(execution: StepExecution, unix: (reading: number) => number): RunningStep {
  const { step, compensated, attempts, begunAt, isOver } = execution;
  const hasEnded = attempts > 0 && isOver;
  return {
    name: step.name,
    isCompensation: compensated !== undefined,
    state: stateOf(execution),
    startedAt: attempts > 0 ? unix(begunAt) : undefined,
    endedAt: hasEnded ? unix(begunAt + execution.elapsed()) : undefined,
    attempts,
    result: isOver ? (compensated ?? execution).result : undefined,
  };
}

function stateOf({ isOver, isRunning, isPaused, attempts }: StepExecution): RunningStep['state'] {
  if (isOver) return 'ended';
  if (isRunning) return 'running';
  return isPaused || attempts > 0 ? 'paused' : 'waiting';
}
