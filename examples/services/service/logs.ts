import { isOrderError, type OrderError, type OrderProcessor } from 'order-processor';
import { type Logger, pino, stdTimeFunctions } from 'pino';

/** One JSON object a line on standard output. */
export function createLog(level: string): Logger {
  return pino({
    level,
    base: { service: 'order-service' },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  });
}

/** The span of an order, in the names that log collectors look for. */
export interface TraceIds {
  readonly trace_id: string;
  readonly span_id: string;
}

/** The span of an order that is under way, by its id; `undefined` without tracing. */
export type TraceIdsOf = (orderId: string) => TraceIds | undefined;

/**
 * Logs every order, by its id and its user, and the failures of the service. It never logs a payload:
 * fields are named one by one, and messages that may quote a payload are left out.
 */
export function logOrders<Payload, Input, Results>(
  processor: OrderProcessor<Payload, Input, Results>,
  log: Logger,
  traceIdsOf: TraceIdsOf = () => undefined,
): void {
  const idsOf = (orderId: string, userId: string) => ({ orderId, userId, ...traceIdsOf(orderId) });
  const factsOf = (error: OrderError) => ({
    ...factsOfError(error),
    ...(error.orderId !== undefined && traceIdsOf(error.orderId)),
  });
  if (log.isLevelEnabled('debug')) {
    processor
      .on('accepted', ({ id, userId }) => log.debug(idsOf(id, userId), 'accepted'))
      .on('started', ({ id, userId }) => log.debug(idsOf(id, userId), 'started'))
      .on('stepped', ({ orderId, userId, step: { name, status, attempts, durationMs, code } }) => {
        log.debug(
          { ...idsOf(orderId, userId), step: name, status, attempts, durationMs, code },
          'stepped',
        );
      });
  }
  processor
    .on('completed', ({ orderId, userId, waitMs, durationMs }) => {
      log.info({ ...idsOf(orderId, userId), waitMs, durationMs }, 'completed');
    })
    .on('refused', (error) => log.info(factsOf(error), 'refused'))
    .on('canceled', (error) => log.info(factsOf(error), 'canceled'))
    .on('failed', (error) => {
      // With this code it is no answer of a step but a bug.
      if (error.code === 'internal') log.error(factsOf(error), 'failed');
      else log.info(factsOf(error), 'failed');
    })
    .on('retried', ({ orderId, userId, step, isCompensation, attempt, code }) => {
      log.warn({ ...idsOf(orderId, userId), step, isCompensation, attempt, code }, 'retried');
    })
    .on('stalled', ({ orderId, userId, steps, runningMs }) => {
      log.warn({ ...idsOf(orderId, userId), steps, runningMs }, 'stalled');
    })
    .on('interrupted', (error) => log.error(factsOf(error), 'interrupted'))
    .on('restored', () => log.info('restored'))
    .on('error', (error) => log.error(factsOf(error), 'error'));
}

/** An operator needs more than the code of these. */
const toBeLookedAt = ['internal', 'storage_failed', 'compensation_failed'];

function factsOfError(error: OrderError): Record<string, unknown> {
  const { orderId, userId, code, waitMs, durationMs } = error;
  const facts = { orderId, userId, code, waitMs, durationMs };
  return toBeLookedAt.includes(code) ? { ...facts, error: failureOf(error) } : facts;
}

/**
 * Any error, for the log. What a step or a library throws may quote the payload in its message, so of such
 * an error there are the name, the code and the place alone. An error of the file is logged in full.
 */
export function failureOf(thrown: unknown): Record<string, unknown> {
  return described(thrown, isOrderError(thrown) && thrown.code === 'storage_failed');
}

function described(thrown: unknown, isPlain: boolean): Record<string, unknown> {
  if (!(thrown instanceof Error)) return { name: typeof thrown };
  const { name, message, stack = '', cause } = thrown;
  const { code } = thrown as { code?: unknown };
  // A message may have lines that look like places.
  const places = stack.slice(stack.indexOf(message) + message.length).split('\n');
  return {
    name,
    ...(typeof code === 'string' && /^\w{1,64}$/.test(code) && { code }),
    ...(isPlain && { message }),
    at: places.map((line) => line.trim()).filter((line) => line.startsWith('at ')),
    ...(cause !== undefined && { cause: described(cause, isPlain) }),
  };
}
