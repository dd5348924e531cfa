import { isOrderError, type OrderError, type OrderProcessor, type Step } from 'order-processor';
import { collect } from './collect.ts';

export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(reason: unknown): void;
}

/** A promise that the test settles. */
export function deferred<T = void>(): Deferred<T> {
  return Promise.withResolvers<T>();
}

/** The integers from 0 up to but without `n`. */
export function range(n: number): number[] {
  return Array.from({ length: n }, (_, index) => index);
}

/** The `OrderError` that a promise rejects with; anything else fails the test. */
export async function errorOf(promise: Promise<unknown>): Promise<OrderError> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    if (isOrderError(error)) return error;
    throw new Error('Expected an OrderError', { cause: error });
  }
  throw new Error(`Expected a rejection, got ${JSON.stringify(value)}`);
}

/** What a promise came to: `completed`, or the code it rejected with. */
export function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'completed',
    (error) => (isOrderError(error) ? error.code : `not an OrderError: ${error}`),
  );
}

const realImmediate = globalThis.setImmediate;

/** What a promise came to, or `pending` if it is not settled in this turn: a hang fails at once. */
export function outcomeNow<T>(promise: Promise<T>): Promise<T | 'pending'> {
  const turn = new Promise<'pending'>((resolve) => realImmediate(() => resolve('pending')));
  return Promise.race([promise, turn]);
}

/** Whether a promise is settled by now, asked at any later time. */
export function watch(promise: Promise<unknown>): { readonly isSettled: boolean } {
  const watched = { isSettled: false };
  const settled = (): void => {
    watched.isSettled = true;
  };
  promise.then(settled, settled);
  return watched;
}

/** Every event of a processor by name, as `name:orderId` where it has one. */
export function logOf(processor: OrderProcessor): string[] {
  const log: string[] = [];
  for (const name of ['accepted', 'started'] as const) {
    processor.on(name, ({ id }) => log.push(`${name}:${id}`));
  }
  for (const name of ['refused', 'failed', 'canceled', 'error'] as const) {
    processor.on(name, ({ orderId, code }) => log.push(`${name}:${orderId ?? '-'}:${code}`));
  }
  processor.on('completed', ({ orderId }) => log.push(`completed:${orderId}`));
  processor.on('stalled', ({ orderId }) => log.push(`stalled:${orderId}`));
  processor.on('idle', () => log.push('idle'));
  processor.on('shutdown', () => log.push('shutdown'));
  return log;
}

export type Then = (
  resolve: (value: unknown) => void,
  reject: (reason: unknown) => void,
) => unknown;

/** A thenable with this `then`. */
export function thenable(then: Then, target: object = {}): PromiseLike<unknown> {
  return Object.defineProperty(target, 'then', { value: then }) as PromiseLike<unknown>;
}

/** A step that throws this. */
export function throwing(thrown: unknown): Step {
  return {
    name: 'work',
    run() {
      throw thrown;
    },
  };
}

/** The bytes that are in use when all that can be freed is. */
export function heapUsed(): number {
  collect();
  return process.memoryUsage().heapUsed;
}
