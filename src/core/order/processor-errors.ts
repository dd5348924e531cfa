import type { Cancellation } from '../runtime/abort.ts';
import { reasonOf } from '../runtime/abort.ts';
import type { OrderErrorFacts } from './order-error.ts';
import { isOrderError, OrderError } from './order-error.ts';
import type { OrderOutcome } from './outcome.ts';
import type { ParsedOrder } from './parse-order.ts';
import type { StepResult } from './step-result.ts';
import type { SettledFields } from './stored-order.ts';
import type { OrderTimes } from './times/order-times.ts';

/** The error of anything that was thrown on an order's way to acceptance. */
export function asOrderError(thrown: unknown): OrderError {
  if (isOrderError(thrown)) return thrown;
  return new OrderError('internal', 'The order could not be taken', { cause: thrown });
}

/** A failure of the storage, with the order that it hit. */
export function storageFailed(
  message: string,
  cause: unknown,
  order?: Pick<SettledFields, 'id' | 'userId' | 'labels'> & {
    readonly steps?: readonly StepResult[];
  },
): OrderError {
  return new OrderError('storage_failed', message, {
    cause,
    orderId: order?.id,
    userId: order?.userId,
    labels: order?.labels,
    steps: order?.steps,
  });
}

/** What its signal does to an order when it aborts. */
export function bySignal(signal: AbortSignal | undefined): Cancellation {
  return { message: 'The order was canceled by its signal', cause: reasonOf(signal) };
}

/** What its `expiresAt` does to an order that has not begun by then. */
export function byExpiry({ expiresAt }: OrderTimes): Cancellation {
  return { code: 'expired', message: `The order had not begun by its \`expiresAt\`, ${expiresAt}` };
}

/** The refusal of an order whose `expiresAt` has passed. */
export function expired({ facts }: ParsedOrder, times: OrderTimes): OrderError {
  return new OrderError('expired', byExpiry(times).message, facts);
}

/** A caller waits no longer for an order, which goes on. */
export function waitingEnded(facts: OrderErrorFacts, signal: AbortSignal | undefined): OrderError {
  const message = 'The signal ended the waiting for the outcome, not the order';
  return new OrderError('canceled', message, { ...facts, cause: reasonOf(signal) });
}

/** The refusal of an order whose caller gave up. The order may have several callers. */
export function canceled({ facts }: ParsedOrder, signal: AbortSignal | undefined): OrderError {
  const { message, cause } = bySignal(signal);
  return new OrderError('canceled', message, { ...facts, cause });
}

/** The outcome that callers get for an order that stays in the storage when the processor has shut down. */
export function leftBehind(facts: OrderErrorFacts): OrderOutcome {
  const message = 'The processor shut down; the order is kept, and goes on with the next start';
  return { status: 'failed', error: new OrderError('shut_down', message, facts) };
}
