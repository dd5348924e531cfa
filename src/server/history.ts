import type { OrderProcessor } from '../core/order-processor.ts';
import type { MovementPage, MovementQuery, SettledOutcome } from '../core/queries/history-query.ts';
import { type Access, checkMayActFor, checkOperator } from './access.ts';
import type { ClientIds } from './client-ids.ts';
import type { EventBounds } from './events/event-feed-options.ts';
import { ReaderPermits, readerOf } from './events/reader-permits.ts';
import { badRequest, notFound } from './http-error.ts';
import { draining } from './listening/server-draining.ts';

/**
 * A page of a user's statement, as the client sees it.
 *
 * @param query - checked, but for the cursor
 * @throws HttpError `bad_request` for a cursor that is not of this storage
 */
export async function movementsOf(
  processor: OrderProcessor,
  ids: ClientIds,
  userId: string,
  query: MovementQuery,
): Promise<MovementPage> {
  const page = await processor.movements(userId, query).catch(refuseCursor);
  return { ...page, movements: page.movements.map((movement) => ids.movement(movement)) };
}

/**
 * A user's balance, now or at a time.
 *
 * @param at - in Unix milliseconds
 * @throws HttpError `not_found`
 */
export async function balanceOf(
  processor: OrderProcessor,
  userId: string,
  at: number | undefined,
): Promise<number> {
  const balance = await (at === undefined
    ? processor.balance(userId)
    : processor.balanceAt(userId, at));
  if (balance !== undefined) return balance;
  throw notFound(at === undefined ? 'There is no such user' : 'The user had no balance then');
}

/** The readers of all settled orders, bounded as readers of events are, and counted apart from them. */
export class OutcomeReaders {
  readonly #processor: OrderProcessor;
  readonly #permits: ReaderPermits;

  constructor(processor: OrderProcessor, bounds: EventBounds) {
    this.#processor = processor;
    this.#permits = new ReaderPermits(bounds);
  }

  /**
   * Opens a reader for a client that is an operator and acts for all users, since it gets their orders whole.
   *
   * @param after - the cursor of the last outcome that it has
   * @param gone - aborts when the client has gone
   * @throws HttpError `forbidden`, `too_many_readers`, or `bad_request` for a cursor that is not of this storage
   */
  open(access: Access, after: string | undefined, gone: AbortSignal): OutcomeReader {
    checkOutcomeReader(access);
    const giveBack = this.#permits.take(readerOf(access, undefined));
    try {
      const { signal } = draining(this.#processor);
      return new OutcomeReader(this.#processor, after, [signal, gone], giveBack);
    } catch (error) {
      giveBack();
      return refuseCursor(error);
    }
  }
}

/** @throws HttpError `forbidden` */
export function checkOutcomeReader(access: Access): void {
  checkOperator(access);
  checkMayActFor(access, undefined);
}

/** Reads the settled orders of one connection at its pace. */
export class OutcomeReader {
  readonly #outcomes: AsyncIterator<SettledOutcome>;
  readonly #signals: readonly AbortSignal[];
  readonly #end = new AbortController();
  readonly #giveBack: () => void;
  #hasLeft = false;
  readonly #abort = (): void => this.#end.abort();

  /**
   * @param signals - each ends the reading
   * @param giveBack - called once
   * @throws RangeError for a cursor that is not of this storage
   */
  constructor(
    processor: OrderProcessor,
    after: string | undefined,
    signals: readonly AbortSignal[],
    giveBack: () => void,
  ) {
    this.#outcomes = processor.outcomes({ after, signal: this.#end.signal });
    this.#signals = signals;
    this.#giveBack = giveBack;
    for (const signal of signals) {
      if (signal.aborted) this.#abort();
      signal.addEventListener('abort', this.#abort);
    }
  }

  /**
   * The next settled order; `undefined` at the end.
   *
   * @throws HttpError `bad_request` for a cursor that is not of this storage, OrderError `history_forgotten`
   */
  async next(): Promise<SettledOutcome | undefined> {
    try {
      const { done, value } = await this.#outcomes.next();
      if (done !== true) return value;
      this.leave();
      return undefined;
    } catch (error) {
      this.leave();
      return refuseCursor(error);
    }
  }

  /** The connection has gone. */
  leave(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    for (const signal of this.#signals) signal.removeEventListener('abort', this.#abort);
    this.#abort();
    this.#giveBack();
  }
}

/** All else was checked before. */
function refuseCursor(error: unknown): never {
  throw error instanceof RangeError ? badRequest(error.message) : error;
}
