/** What something thrown by a step says of the step. */
import type { Verdict } from '../../order/decision.ts';
import { isOrderError, isOwnCode, type OrderError } from '../../order/order-error.ts';
import { causeOf, codeOf, messageOf } from '../../runtime/thrown.ts';
import { retryableOf } from '../limits/retry.ts';

/** A chain of causes is followed so far. */
const mostCauses = 16;

/**
 * Why a step, and with it the order, failed.
 *
 * @param title - of the step or its compensation, for messages
 */
export function verdictOn(thrown: unknown, title: string): Verdict {
  const code = codeOf(thrown);
  const cause = causeOf(thrown, title);
  // From a step, the processor's own codes are another processor's.
  if (code === undefined || isOwnCode(code)) {
    const message = `${title} threw an error without a lower-snake-case code of its own`;
    return { code: 'internal', message, cause };
  }
  const failure = `${title} failed with \`${code}\``;
  // What a payment provider's client says may be meant for the operator alone.
  const message = isOrderError(thrown) ? messageOf(thrown, failure) : failure;
  return { code, message, cause, retryable: retryableOf(thrown) };
}

/**
 * Whether a step says, by what it has thrown, that it has had no effect: an `OrderError` with a code of its own,
 * or an error that it has marked as final (`retryable` is `false`). Anything else leaves that open, above all
 * what follows from an abort: the request was on its way by then.
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
    // A processor has said it, maybe another one that the step has called.
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
    // A getter threw, so it says nothing.
    return true;
  }
}
