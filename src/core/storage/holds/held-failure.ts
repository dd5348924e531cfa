import {
  noResults,
  type OrderCause,
  type StepResult,
  type StepValues,
} from '../../order/step-result.ts';
import { jsonIssueIn } from '../../runtime/json/json-issue.ts';

/**
 * What is kept of the failure of an order that holds its lane, beside the code and the message: see {@link OrderRecord}.
 *
 * @category For authors of storages
 */
export interface HeldFailure {
  /** When its processing began, in Unix milliseconds; `undefined` if that is not known. */
  readonly startedAt: number | undefined;
  /** Whether the order may succeed if it is tried again. */
  readonly retryable: boolean;
  /** The cause of its error, if there is one. */
  readonly cause?: OrderCause | undefined;
  /** The results of its steps, in declaration order. */
  readonly steps: readonly StepResult[];
  /** What its steps have returned that have finished, by name; JSON, where the storage keeps JSON. */
  readonly results: StepValues;
}

/** Whether a value has the form of one, as far as the core relies on it. */
export function isHeldFailure(value: unknown): value is HeldFailure {
  const { startedAt, retryable, cause, steps, results } = Object(value) as Partial<HeldFailure>;
  return (
    (startedAt === undefined || Number.isSafeInteger(startedAt)) &&
    typeof retryable === 'boolean' &&
    (cause === undefined ||
      (typeof cause?.name === 'string' && typeof cause.message === 'string')) &&
    Array.isArray(steps) &&
    steps.every((step: StepResult | null) => typeof step?.name === 'string') &&
    typeof results === 'object' &&
    results !== null
  );
}

/** Without what steps have returned that is not JSON: a later step may have changed it. */
export function withJsonResults(failure: HeldFailure): HeldFailure {
  const results = Object.entries(failure.results);
  const fit = results.filter(([step, value]) => jsonIssueIn(value, step) === undefined);
  if (fit.length === results.length) return failure;
  return { ...failure, results: fit.length === 0 ? noResults : Object.fromEntries(fit) };
}
