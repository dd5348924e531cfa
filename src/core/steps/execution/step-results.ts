/** The results of steps. */
import type { Verdict } from '../../order/decision.ts';
import { causeOfOrder } from '../../order/order-cause.ts';
import {
  type CompensationResult,
  noResults,
  type StepResult,
  type StepValues,
} from '../../order/step-result.ts';
import type { PlannedStep, StepPlan } from '../step-plan.ts';

/** Results up to this duration are shared, in milliseconds. */
const sharedBelowMs = 1_000;

/** How the execution of a step, or of its compensation, went so far. */
interface Execution {
  readonly step: PlannedStep;
  readonly attempts: number;
  readonly isFinished: boolean;
  readonly isUnfit: true | undefined;
  readonly value: unknown;
  readonly result: StepResult | undefined;
  elapsed(): number;
}

/** By index; `undefined` for a step that has not begun. */
export type Executions = readonly (Execution | undefined)[];

/**
 * The result of a step that has finished. After one attempt, the usual case, all orders share one object: results are
 * remembered for long, and garbage collection of what stays in memory costs more than making it.
 */
export function resultOfFinished(execution: Execution): StepResult {
  const { step, attempts } = execution;
  if (attempts > 1) return resultOf(execution, 'ok');
  const durationMs = execution.elapsed();
  const known = step.results[durationMs];
  if (known !== undefined) return known;
  const result = resultOf(execution, 'ok');
  if (durationMs < sharedBelowMs) step.results[durationMs] = result;
  return result;
}

export function resultOf(
  execution: Execution,
  status: StepResult['status'],
  code?: string,
  compensation?: CompensationResult,
): StepResult {
  return Object.freeze({
    name: execution.step.name,
    status,
    durationMs: execution.elapsed(),
    attempts: execution.attempts,
    ...(code === undefined ? {} : { code }),
    ...(compensation === undefined ? {} : { compensation }),
  });
}

/** The result of a step whose compensation has ended. One that has not finished keeps its status. */
export function resultOfCompensated(
  execution: Execution,
  compensation: CompensationResult,
): StepResult {
  const { isFinished, isUnfit, attempts, result } = execution;
  if (isFinished && !(isUnfit && result?.status === 'error')) {
    // What the step did still stands, if the compensation failed.
    const status = compensation.status === 'ok' ? 'compensated' : 'ok';
    return resultOf(execution, status, undefined, compensation);
  }
  const status = result?.status ?? (attempts > 0 ? 'canceled' : 'skipped');
  return resultOf(execution, status, result?.code, compensation);
}

/**
 * @param verdict - why the compensation failed, if it did
 * @param earlier - how many attempts were made at it before
 * @param compensations - how often the step had been compensated before
 */
export function compensationResult(
  execution: Execution,
  verdict: Verdict | undefined,
  earlier: number,
  compensations = 0,
): CompensationResult {
  const attempts = earlier + execution.attempts;
  const durationMs = execution.elapsed();
  if (verdict === undefined) return Object.freeze({ status: 'ok', durationMs, attempts });
  const { code, message } = verdict;
  const cause = causeOfOrder({ code, cause: verdict.cause });
  return Object.freeze({
    status: 'error',
    durationMs,
    attempts,
    code,
    message,
    ...(cause !== undefined && { cause }),
    ...(compensations > 0 && { compensations }),
  });
}

/** The results of all steps, in declaration order. A step whose result is not certain yet counts as canceled. */
export function resultsOf(plan: StepPlan, executions: Executions): readonly StepResult[] {
  return sharedResults(plan, executions) ?? Object.freeze(plan.steps.map(resultNow, executions));
}

function resultNow(this: Executions, { at, skipped }: PlannedStep): StepResult {
  const execution = this[at];
  if (execution?.result !== undefined) return execution.result;
  if (execution !== undefined && execution.attempts > 0) return resultOf(execution, 'canceled');
  return skipped;
}

/** One array for all orders whose steps have all finished at the first attempt, after the same duration. */
function sharedResults(
  { steps, results }: StepPlan,
  executions: Executions,
): readonly StepResult[] | undefined {
  const durationMs = executions[0]?.result?.durationMs;
  if (durationMs === undefined) return undefined;
  for (const { at, results: ofStep } of steps) {
    const result = executions[at]?.result;
    if (result === undefined || result !== ofStep[durationMs]) return undefined;
  }
  results[durationMs] ??= Object.freeze(executions.map((each) => each?.result as StepResult));
  return results[durationMs];
}

/** What the steps have returned that have finished, by name. */
export function valuesOf({ values }: StepPlan, executions: Executions): StepValues {
  const count = executions.filter(hasValue).length;
  if (count === 0) return noResults;
  const all: Record<string, unknown> = { ...values };
  for (const execution of executions) {
    // Own properties, so that a step may be called `__proto__`.
    if (hasValue(execution)) all[execution.step.name] = execution.value;
  }
  if (count === executions.length) return Object.freeze(all);
  const entries = Object.entries(all).filter(([, value]) => value !== undefined);
  return Object.freeze(Object.fromEntries(entries));
}

function hasValue(execution: Execution | undefined): execution is Execution {
  if (execution === undefined || execution.value === undefined) return false;
  return execution.isFinished && !execution.isUnfit;
}

/** What the steps have returned that a step comes after, by name. */
export function valuesBefore(
  { before }: PlannedStep,
  executions: Executions,
): Readonly<Record<string, unknown>> {
  const values = Object.create(null) as Record<string, unknown>;
  for (const at of before) {
    const execution = executions[at];
    // A compensation may belong to a step that has not begun in this process.
    if (execution?.isFinished) values[execution.step.name] = execution.value;
  }
  return Object.freeze(values);
}
