import { isOrderError, isOwnCode } from '../order/order-error.ts';
import { retryableOf } from './retry.ts';

/** A chain of causes is followed so far. */
const mostCauses = 16;

/**
 * Whether a step says, by what it has thrown, that it has had no effect: an `OrderError` with a code of its own,
 * or an error that it has marked as final (`retryable` is `false`). Anything else leaves that open, above all
 * what follows from an abort: the request was on its way by then.
 *
 * @param aborts - why the step was told to end, if it was
 */
export function deniesEffect(thrown: unknown, ...aborts: readonly unknown[]): boolean {
  if (isOrderError(thrown)) {
    // A processor has said it, maybe another one that the step has called.
    if (isOwnCode(thrown.code)) return false;
  } else if (retryableOf(thrown) !== false) return false;
  return !isCausedBy(thrown, aborts);
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
