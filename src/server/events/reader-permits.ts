import { type Access, everything, isOperator } from '../access.ts';
import { HttpError } from '../http-error.ts';
import type { EventBounds } from './event-feed-options.ts';

/** A reader of events, as the bounds on their number count it. */
export interface Reader {
  readonly isOperator: boolean;
  /** What identifies the client; empty where clients cannot be distinguished. */
  readonly keys: readonly unknown[];
}

/** @param userId - whose events it reads */
export function readerOf(access: Access, userId: string | undefined): Reader {
  if (access === everything) return { isOperator: false, keys: [] };
  const { users, client } = access;
  if (isOperator(access)) return { isOperator: true, keys: [] };
  if (client !== undefined) return { isOperator: false, keys: [`client ${client}`] };
  if (Array.isArray(users)) return { isOperator: false, keys: [`users ${JSON.stringify(users)}`] };
  // `authenticate` may return another function each time.
  const keys = [`user ${userId}`, ...(typeof users === 'function' ? [users] : [])];
  return { isOperator: false, keys };
}

/** Counts readers, of events or of outcomes. Operators have permits of their own, so that no client can take the last one. */
export class ReaderPermits {
  readonly #bounds: EventBounds;
  readonly #counts = new Map<unknown, number>();
  #clients = 0;
  #operators = 0;

  constructor(bounds: EventBounds) {
    this.#bounds = bounds;
  }

  /**
   * Takes a permit. The function that it returns gives it back.
   *
   * @throws HttpError `too_many_readers`: 429 for the client's own bound, 503 for the bound of all clients
   */
  take({ isOperator, keys }: Reader): () => void {
    const { readers, readersPerClient, operatorReaders } = this.#bounds;
    if (keys.some((key) => (this.#counts.get(key) ?? 0) >= readersPerClient)) {
      throw tooMany(429, 'This client has as many readers as it may');
    }
    const isFull = isOperator ? this.#operators >= operatorReaders : this.#clients >= readers;
    if (isFull) throw tooMany(503, 'There are too many readers');
    this.#count(isOperator, keys, 1);
    return () => this.#count(isOperator, keys, -1);
  }

  #count(isOperator: boolean, keys: readonly unknown[], by: number): void {
    if (isOperator) this.#operators += by;
    else this.#clients += by;
    for (const key of keys) {
      const count = (this.#counts.get(key) ?? 0) + by;
      if (count === 0) this.#counts.delete(key);
      else this.#counts.set(key, count);
    }
  }
}

function tooMany(status: number, message: string): HttpError {
  return new HttpError(status, 'too_many_readers', message, { headers: { 'retry-after': '10' } });
}
