import type { FinalPosting } from './order.ts';

/**
 * What became of one step of an order.
 *
 * @category Steps
 */
export interface StepResult {
  /** The step's name. */
  readonly name: string;
  /**
   * `'ok'`: it finished. `'error'`: it threw or rejected. `'canceled'`: it was under way when the
   * order failed or was canceled. `'skipped'`: it never began in this process, because its `when` said no or the order
   * was decided before. `'compensated'`: it had finished, and was compensated. One that had not finished and may have had its effect keeps its status, with
   * a `compensation`.
   */
  readonly status: 'ok' | 'error' | 'canceled' | 'skipped' | 'compensated';
  /** How long it took in the last run of its order, in whole milliseconds, pauses between attempts included. */
  readonly durationMs: number;
  /**
   * How often it was tried in the last run of its order; 0 if it never began in that. An order runs once more when it is
   * released with `'retry'`, and after a restart: then this begins at 1 again, and the `attempt` that the step gets counts
   * on; see {@link AttemptContext.attempt}.
   */
  readonly attempts: number;
  /** With `'error'`: the error's own code, or `'internal'`. */
  readonly code?: string;
  /** How its compensation ended, if there was one. If that failed, what the step did may still stand. */
  readonly compensation?: CompensationResult;
}

/**
 * What was thrown, as a record keeps it for the operator: a bug in a step, the answer of a payment provider, the reason
 * of a signal. HTTP and gRPC show it to operators alone: in holds, and in the results of compensations.
 *
 * @category Steps
 */
export interface OrderCause {
  /** The error's name, `'TypeError'` for example; cut at 64 characters. */
  readonly name: string;
  /** Its message, and the messages of the errors that caused it; cut at 1 024 characters. */
  readonly message: string;
}

/**
 * What became of the compensation of a step.
 *
 * @category Steps
 */
export interface CompensationResult {
  /**
   * `'ok'`: the step was compensated, in time or later. `'error'`: that failed; see `code` and `message`. One with
   * `'timeout'` or `'shut_down'` becomes `'ok'` if it succeeds after all.
   */
  readonly status: 'ok' | 'error';
  /** How long it took, in whole milliseconds, pauses between attempts included. */
  readonly durationMs: number;
  /** How often it was tried, by {@link OrderProcessor.compensate} too. */
  readonly attempts: number;
  /** With `'error'`: the error's own code, `'timeout'` or `'internal'`. */
  readonly code?: string;
  /** With `'error'`: the same for people. */
  readonly message?: string;
  /** With `'error'`: the error behind it, if there was one. In records alone: it is for the operator, and not for callers. */
  readonly cause?: OrderCause;
  /**
   * With `'error'`: how often the step had been compensated before, of an order that held its lane and was tried again;
   * absent for 0. Its keys follow from that.
   */
  readonly compensations?: number;
}

/** The results of steps as callers may see them: without the causes of failed compensations. */
export function withoutCauses(steps: readonly StepResult[]): readonly StepResult[] {
  if (steps.every(({ compensation }) => compensation?.cause === undefined)) return steps;
  return steps.map(withoutCause);
}

/** The same of one step. */
export function withoutCause(result: StepResult): StepResult {
  if (result.compensation?.cause === undefined) return result;
  const { cause: _cause, ...compensation } = result.compensation;
  return { ...result, compensation };
}

/**
 * How far a step of an order is, or its compensation, by what it said last.
 *
 * @category Steps
 */
export interface StepProgress {
  /** The step's name. */
  readonly step: string;
  /** Whether it is the step's compensation that said so, and not the step. */
  readonly isCompensation: boolean;
  /** How much of it is done, from 0 to 1. */
  readonly fraction: number;
  /** What it is at, if it said so. */
  readonly label: string | undefined;
}

/**
 * What an order's steps have returned, by name, as far as the compiler knows.
 *
 * @category Steps
 */
export type StepValues = Readonly<Record<string, unknown>>;

/** Shared by all orders whose steps have returned nothing. */
export const noResults: StepValues = Object.freeze({});

/**
 * What a step has returned that is not run again for its order; see {@link Step.remember}.
 *
 * @category For authors of storages
 */
export interface RememberedStep {
  /** The step's name. */
  readonly step: string;
  /** What it returned; JSON, where the storage keeps JSON. */
  readonly result: unknown;
  /** What it said is settled, in minor units; see {@link StepContext.setAmount}. */
  readonly amount: number | undefined;
  /** What it said is settled of the order's postings; absent of an order without any, and with no `amount`. */
  readonly postings?: readonly FinalPosting[] | undefined;
  /**
   * How often the step had been compensated before, of an order that held its lane and was tried again; absent for 0.
   * A step that was compensated since then is run again.
   */
  readonly compensations?: number | undefined;
}

/** Shared by all orders of which no step is remembered. */
export const noneRemembered: readonly RememberedStep[] = Object.freeze([]);

/** Those that were not compensated since; `undefined` if there are none. */
export function notUndone(
  steps: readonly RememberedStep[],
  counts: Readonly<Record<string, number>> = {},
): readonly RememberedStep[] | undefined {
  const rest = steps.filter(({ step, compensations = 0 }) => {
    return compensations === (Object.hasOwn(counts, step) ? counts[step] : 0);
  });
  return rest.length > 0 ? rest : undefined;
}

/** Shared by all orders without steps. */
export const noSteps: readonly StepResult[] = Object.freeze([]);
