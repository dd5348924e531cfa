/** What a step says by what it throws. */
import type { Verdict } from '../../order/decision.ts';
import { isOrderError, isOwnCode, type OrderError } from '../../order/order-error.ts';
import { issueOf, placeIn } from '../../runtime/json/issues.ts';
import { jsonIssueIn } from '../../runtime/json/json-issue.ts';
import { causeOf, codeOf, hostFault, messageOf, wentWrong } from '../../runtime/thrown.ts';
import { retryableOf } from '../limits/retry.ts';
import type { ExecutionFacts } from './execution-facts.ts';

/** How far a chain of causes is followed. */
const mostCauses = 16;

/**
 * Why a step, and with it the order, failed.
 *
 * @param title - of the step or its compensation, for messages
 * @param isCompensation - whether the compensation has thrown
 */
export function verdictOn(thrown: unknown, title: string, isCompensation = false): Verdict {
  const code = codeOf(thrown);
  const cause = causeOf(thrown, title);
  // A step that throws one of the processor's own codes has it from another processor.
  if (code === undefined || isOwnCode(code)) {
    // Clients see the message of a step's error; the results of steps say which one it was.
    const message = isCompensation ? `${title} threw an error without a code` : wentWrong;
    return { code: 'internal', message, cause };
  }
  const failure = `${title} failed with \`${code}\``;
  // The message of a payment provider's client may be for the operator only.
  const message = isOrderError(thrown) ? messageOf(thrown, failure) : failure;
  return { code, message, cause, retryable: retryableOf(thrown) };
}

/** Why a step fails although it has finished: the storage keeps JSON alone, and cannot keep what it returned. */
export function faultOf({ value, step, title }: ExecutionFacts): Verdict | undefined {
  const issue = value === undefined ? undefined : jsonIssueIn(value, placeIn('results', step.name));
  if (issue === undefined) return undefined;
  const { path, message } = issueOf(issue.path, issue.message);
  return notKept(title, `, which is JSON alone: ${path} is ${message}`);
}

/** The storage cannot keep what a step returned. */
export function notKept(title: string, why: string, cause?: unknown): Verdict {
  const text = `${title} returned what the storage cannot keep${why}`;
  return { code: 'internal', message: wentWrong, cause: hostFault(text, cause) };
}

/**
 * Whether a step says, by what it has thrown, that it has had no effect: an `OrderError` with a code of its own,
 * or an error that it has marked as final (`retryable` is `false`). Any other error leaves that open, above all an
 * error that follows from an abort: the request may have arrived.
 *
 * @param overdue - the error with which its signal aborted because its time was up
 * @param orderError - the error with which the signal of its order aborted
 */
export function deniesEffect(
  thrown: unknown,
  overdue: OrderError | undefined,
  orderError: OrderError | undefined,
): boolean {
  if (isOrderError(thrown)) {
    // A processor has given this code, perhaps another one that the step has called.
    if (isOwnCode(thrown.code)) return false;
  } else if (retryableOf(thrown) !== false) return false;
  return !isCausedBy(thrown, [overdue, orderError]);
}

function isCausedBy(thrown: unknown, aborts: readonly unknown[]): boolean {
  try {
    let cause = thrown;
    for (let at = 0; at < mostCauses && cause !== undefined && cause !== null; at += 1) {
      if (aborts.includes(cause)) return true;
      ({ cause } = cause as { cause?: unknown });
    }
    return false;
  } catch {
    // A getter threw, so the step has not said it.
    return true;
  }
}
