import { OrderError } from '../order/order-error.ts';
import { storageFailed } from '../order/processor-errors.ts';
import { recordOf } from '../order/record.ts';
import type { Awaitable } from '../runtime/awaitable.ts';
import { isThenable } from '../runtime/awaitable.ts';
import type { Clock } from '../runtime/clock.ts';
import type { UntilClosed } from '../runtime/until-closed.ts';
import type {
  HistoryStorage,
  Movement,
  SettledPage,
  StoredMovementQuery,
} from '../storage/history/history-storage.ts';
import type { Ledger } from '../storage/ledger.ts';
import type { SharedOrders } from '../storage/shared-storage.ts';
import { historyCursorOf } from './cursor.ts';
import type { MovementPage, SettledOutcome } from './history-query.ts';

/** How often the storage is asked for one page, if it looks at many settlements and finds few. */
const mostCalls = 32;

/** How many outcomes are read at once. */
const pageSize = 500;

/** What was settled: a user's movements, and all outcomes in the order in which they were applied. */
export class History {
  readonly #history: HistoryStorage;
  readonly #clock: Clock;
  readonly #questions: UntilClosed;
  readonly #isEnding: () => boolean;
  /** Where other processors settle, too. */
  readonly #shared: SharedOrders | undefined;
  /** How many readers wait for what others settle, or go on soon. */
  #followers = 0;
  /** The readers at the end of the outcomes. */
  readonly #waiting = new Set<() => void>();
  /** Changes when there may be more outcomes. */
  #turn = 0;
  #isClosed = false;

  /** @param isEnding - whether the processor shuts down, and with it the storage */
  constructor(
    { history, journal }: Pick<Ledger, 'history' | 'journal'>,
    clock: Clock,
    questions: UntilClosed,
    isEnding: () => boolean,
  ) {
    this.#history = history;
    this.#clock = clock;
    this.#questions = questions;
    this.#isEnding = isEnding;
    this.#shared = journal?.shared;
  }

  /** Identifies the storage. */
  get id(): string {
    return this.#history.id;
  }

  /** @throws OrderError `storage_failed`, or `history_forgotten` */
  async movements(query: StoredMovementQuery): Promise<MovementPage> {
    const movements: Movement[] = [];
    let { after } = query;
    for (let calls = 1; ; calls += 1) {
      const limit = query.limit - movements.length;
      const page = await this.#ask(() => this.#history.movements({ ...query, after, limit }));
      // Of the first page the opening balance says what was before.
      if (after > 0 && page.forgotten > after) {
        throw forgotten('Movements after this cursor', query.userId);
      }
      movements.push(...page.movements);
      const { next } = page;
      const isFull = movements.length >= query.limit || calls === mostCalls;
      if (next === undefined || isFull) {
        const cursor = next === undefined ? next : historyCursorOf('movements', next, this.id);
        return { movements, cursor };
      }
      after = next;
      if (!this.#clock.hasTime()) await this.#clock.nextSlice();
    }
  }

  /** @throws OrderError `storage_failed`, or `history_forgotten` */
  async balanceAt(userId: string, time: number): Promise<number | undefined> {
    const { balance, isForgotten } = await this.#ask(() => this.#history.balanceAt(userId, time));
    if (!isForgotten) return balance;
    throw forgotten('The movements of that time', userId);
  }

  /**
   * All settled orders behind one, and then each when it is settled.
   *
   * @param after - `undefined` for the first that the storage has
   * @throws OrderError `storage_failed`, or `history_forgotten`
   */
  async *outcomes(
    after: number | undefined,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<SettledOutcome, void, undefined> {
    let at = after;
    let isFollowing = false;
    try {
      while (!signal?.aborted) {
        const turn = this.#turn;
        const page = await this.#next(at);
        if (page === undefined) return;
        for (const order of page.orders) {
          const sequence = order.settlement as number;
          const cursor = historyCursorOf('outcomes', sequence, this.id);
          yield { cursor, sequence, order: recordOf(order) };
          if (signal?.aborted) return;
        }
        at = page.next;
        if (!this.#clock.hasTime()) await this.#clock.nextTurn();
        if (page.orders.length > 0 || page.next < page.last || turn !== this.#turn) continue;
        if (this.#isClosed) return;
        // What was settled before that it reads now.
        if (isFollowing || this.#shared === undefined) await this.#more(signal);
        else this.#follow(1);
        isFollowing = this.#shared !== undefined;
      }
    } finally {
      if (isFollowing) this.#follow(-1);
    }
  }

  #follow(more: 1 | -1): void {
    const wereNone = this.#followers === 0;
    this.#followers += more;
    if (this.#followers === 0 || wereNone) this.#shared?.follow(this.#followers > 0);
  }

  /** An order was settled, here or elsewhere. */
  settled(): void {
    this.#turn += 1;
    if (this.#waiting.size === 0) return;
    for (const resolve of this.#waiting) resolve();
  }

  /** The processor has closed: nothing more is settled. */
  close(): void {
    this.#isClosed = true;
    this.settled();
  }

  /** `undefined` once the storage is closed. */
  async #next(at: number | undefined): Promise<SettledPage | undefined> {
    let page: SettledPage;
    try {
      page = await this.#ask(() => this.#history.settled({ after: at ?? 0, limit: pageSize }));
    } catch (error) {
      if (this.#isEnding()) return undefined;
      throw error;
    }
    if (at === undefined) return page;
    if (page.last < at) {
      throw new RangeError('Expected `after` to be the `cursor` of an outcome of this storage');
    }
    if (page.forgotten <= at) return page;
    throw forgotten('Outcomes after this cursor');
  }

  #more(signal: AbortSignal | undefined): Promise<void> {
    // It may have aborted while the storage was asked.
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        signal?.removeEventListener('abort', end);
        this.#waiting.delete(end);
        resolve();
      };
      signal?.addEventListener('abort', end, { once: true });
      this.#waiting.add(end);
    });
  }

  async #ask<T>(ask: () => Awaitable<T>): Promise<T> {
    try {
      const answer = ask();
      return isThenable(answer) ? await this.#questions.ask(answer) : answer;
    } catch (cause) {
      throw storageFailed('The storage could not give what was settled', cause);
    }
  }
}

function forgotten(what: string, userId?: string): OrderError {
  const message = `${what} were forgotten or pruned`;
  return new OrderError('history_forgotten', message, { userId });
}
