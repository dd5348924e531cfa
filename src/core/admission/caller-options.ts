import { OrderError } from '../order/order-error.ts';
import { type TraceContext, traceContextOf, traceTextOf } from '../order/trace/trace-context.ts';
import { isAbortSignal } from '../runtime/abort.ts';
import { checkOptions, wrong } from '../runtime/checks.ts';
import { messageOf, show } from '../runtime/thrown.ts';
import type { TransactionClient } from '../storage/order-transaction.ts';

/**
 * What {@link OrderProcessor.submit} takes beside the order.
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 *
 * await using processor = new OrderProcessor();
 * // Canceled if it has not ended in a second.
 * await processor.submit({ userId: 'ann', amount: 500 }, { signal: AbortSignal.timeout(1_000) });
 * ```
 *
 * @category Processor
 */
export interface SubmitOptions {
  /**
   * Cancels the order when it aborts, as {@link OrderProcessor.cancel} does, with its reason as the
   * error's `cause`. For an order whose id is known already it only ends this caller's waiting. So it is for an order that
   * has failed and holds its user's lane, or is about to: what becomes of that, {@link OrderProcessor.release} says.
   */
  readonly signal?: AbortSignal | undefined;
}

/**
 * What {@link OrderProcessor.enqueue} takes beside the order, and {@link OrderProcessor.retry} beside the id.
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 *
 * await using processor = new OrderProcessor();
 * // Gives up waiting to be accepted after a second.
 * await processor.enqueue({ userId: 'ann', amount: 500 }, { signal: AbortSignal.timeout(1_000) });
 * ```
 *
 * @category Processor
 */
export interface EnqueueOptions {
  /**
   * When it aborts before the order is accepted, the waiting for that ends and the order is refused with
   * `canceled`. An order that is accepted, or on its way into a storage that keeps orders, goes on.
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * The host's own connection, on which it has begun a transaction. The order is accepted in that: it is there when the
   * transaction commits, and never if it does not. Only of `enqueue`, and only where the storage can do so, as a
   * `PostgresStorage`. None by default.
   */
  readonly client?: TransactionClient | undefined;
}

/**
 * What {@link OrderProcessor.retry} takes beside the id.
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 *
 * await using processor = new OrderProcessor();
 * const retried = processor.retry('o-1', { signal: AbortSignal.timeout(1_000) });
 * await retried.catch(({ code }) => console.log(code)); // prints: not_failed
 * ```
 *
 * @category Processor
 */
export interface RetryOrderOptions {
  /** When it aborts before the new order is accepted, the waiting for that ends; see {@link EnqueueOptions.signal}. */
  readonly signal?: AbortSignal | undefined;
  /** The trace that the new order is a part of. By default that of the old order. */
  readonly traceContext?: TraceContext | undefined;
}

/** @throws TypeError; a trace context that is not valid is none */
export function readRetryOptions(options: RetryOrderOptions = {}): RetryOrderOptions {
  const signal = signalOf('retry', options, ['signal', 'traceContext']);
  const text = traceTextOf(options.traceContext);
  return { signal, traceContext: text === undefined ? undefined : traceContextOf(text) };
}

/**
 * What {@link OrderProcessor.outcome} takes beside the id.
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 *
 * await using processor = new OrderProcessor();
 * const { id } = await processor.enqueue({ userId: 'ann', amount: 500 });
 * // Gives up waiting after a second; the order goes on.
 * await processor.outcome(id, { signal: AbortSignal.timeout(1_000) });
 * ```
 *
 * @category Processor
 */
export interface OutcomeOptions {
  /** Ends this caller's waiting when it aborts; the order goes on. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The signal of a caller's options.
 *
 * @param method - whose options they are
 * @param known - all that it has
 * @throws TypeError for an option that is unknown or wrong, and what reading the options throws
 */
export function signalOf(
  method: string,
  options: SubmitOptions | undefined,
  known: readonly string[] = ['signal'],
): AbortSignal | undefined {
  if (options === undefined) return undefined;
  // A signal has no fields of its own, so it would be ignored.
  if (isAbortSignal(options)) throw wrong(TypeError, `${method} options`, '`{ signal }`', options);
  checkOptions(method, options, known);
  const { signal } = options;
  if (signal === undefined || isAbortSignal(signal)) return signal;
  throw wrong(TypeError, 'signal', 'an AbortSignal', signal);
}

/** The refusal of an order whose options are wrong. An error of a host's getter does not affect its code. */
export function badOptions(cause: unknown): OrderError {
  return new OrderError('invalid_order', messageOf(cause, 'Reading the options threw'), { cause });
}

/** @throws OrderError `invalid_order` unless a value has one of the methods of iterables */
export function checkIterable(orders: unknown, symbols: readonly symbol[]): void {
  try {
    if (typeof orders === 'object' && orders !== null) {
      const methods = symbols.map((symbol) => (orders as Record<symbol, unknown>)[symbol]);
      if (methods.some((method) => typeof method === 'function')) return;
    }
  } catch (cause) {
    throw new OrderError('invalid_order', 'Reading the orders threw', { cause });
  }
  throw new OrderError(
    'invalid_order',
    `Expected \`orders\` to be iterable, got \`${show(orders)}\``,
  );
}
