import { hash } from 'node:crypto';
import type { RetainBounds } from '../../core/storage/history/retain-bounds.ts';
import { endInTime } from '../sessions/end-in-time.ts';
import type { QuerySessions } from '../sessions/query-sessions.ts';
import type { Session } from '../sessions/session.ts';
import { removeOrders } from '../statements/prune.ts';
import { drawn, oldest, type SettledRow, stepRows, usageOf } from './retain-statements.ts';

const dayMs = 86_400_000;

/** A call of `settle` draws one number; its settlements are that many times this, and their places in it. */
const settlementsOfCall = 1_024;

/** How long nothing is deleted after a step: so many times as long as it took. */
const pauseFactor = 2;

/** The least and the most of such a pause, in milliseconds. */
const pauseMs = { least: 10, most: 1_000 } as const;

/** After so many failures in a row a process warning says so. */
const failuresToReport = 3;

/** The letters `or`, for the lock of retention. */
const lockGroup = 0x6f72;

/** Times of retention, in milliseconds. */
export interface RetentionTimes {
  /** Between two looks for what is to be deleted. */
  readonly lookMs: number;
  /**
   * How long a settlement stays in any case, by the clock of this process: its processor may not have got the answer yet,
   * and hands it in again.
   */
  readonly graceMs: number;
}

const defaultTimes: RetentionTimes = { lookMs: 10_000, graceMs: 600_000 };

/** A number that had been drawn at a time. */
interface Mark {
  readonly at: number;
  readonly drawn: number;
}

/**
 * Deletes the settled orders that are not to be kept, those first that were settled first. One processor at a time does
 * it, some hundreds of orders in a transaction, with pauses.
 */
export class Retention {
  readonly #sessions: QuerySessions;
  readonly #bounds: RetainBounds;
  readonly #lock: readonly [number, number];
  readonly #times: RetentionTimes;
  /** The settlements up to this one are deleted, or were not to be. */
  #after = 0;
  /** Numbers that were drawn: the older one counts, when it is old enough. */
  #marks: readonly [Mark, Mark];
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  #isClosed = false;
  #endPause = (): void => {};
  /** The one that deletes. */
  #session: Session | undefined;

  constructor(
    sessions: QuerySessions,
    schema: string,
    bounds: RetainBounds,
    times: Partial<RetentionTimes> = {},
  ) {
    this.#sessions = sessions;
    this.#bounds = bounds;
    this.#lock = [lockGroup, hash('sha256', schema, 'buffer').readInt32BE(0)];
    this.#times = { ...defaultTimes, ...times };
    const none = { at: Number.POSITIVE_INFINITY, drawn: 0 };
    this.#marks = [none, none];
    this.#lookLater();
  }

  /** A step that is under way is waited for, unless the server does not answer. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#endPause();
    await endInTime(this.#running);
    this.#session?.destroy();
  }

  #lookLater(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#running = this.#look().finally(() => this.#lookLater());
    }, this.#times.lookMs);
    // What is to be deleted does not keep the process running.
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    try {
      const upTo = await this.#deletable();
      const excess = await this.#sessions.ask((session) => this.#excess(session));
      const [first] = await this.#sessions.ask((session) => this.#rows(session, upTo));
      if (first !== undefined && (first.isOld || excess > 0)) {
        await this.#sessions.alone((session) => this.#deleteAlone(session, upTo));
      }
      this.#failures = 0;
    } catch (error) {
      this.#failed(error as Error);
    }
  }

  /** Up to which settlement all are old enough that none of them comes again. */
  async #deletable(): Promise<number> {
    const [row] = await this.#sessions.ask((session) => session.query<{ drawn: number }>(drawn));
    const now: Mark = { at: performance.now(), drawn: row?.drawn ?? 0 };
    const [, next] = this.#marks;
    if (next.at === Number.POSITIVE_INFINITY) this.#marks = [this.#marks[0], now];
    else if (now.at - next.at >= this.#times.graceMs) this.#marks = [next, now];
    return (this.#marks[0].drawn + 1) * settlementsOfCall - 1;
  }

  /** How many orders are to be deleted for their size. */
  async #excess(session: Session): Promise<number> {
    const { bytes: most } = this.#bounds;
    if (most === undefined) return 0;
    const { bytes, count } = await usageOf(session);
    return bytes > most ? Math.ceil(((bytes - most) / bytes) * count) : 0;
  }

  #rows(session: Session, upTo: number): Promise<SettledRow[]> {
    const { days = Number.POSITIVE_INFINITY } = this.#bounds;
    // More than any time there is.
    const keptMs = Math.min(days * dayMs, Number.MAX_SAFE_INTEGER);
    return session.query<SettledRow>(oldest, [this.#after, upTo, keptMs]);
  }

  /** The lock ends with the session. */
  async #deleteAlone(session: Session, upTo: number): Promise<void> {
    this.#session = session;
    await session.query("SET statement_timeout = '30s'");
    const text = 'SELECT pg_try_advisory_lock($1, $2) AS "isHeld"';
    const [lock] = await session.query<{ isHeld: boolean }>(text, this.#lock);
    if (lock?.isHeld !== true) return;
    let excess = await this.#excess(session);
    while (!this.#isClosed) {
      const startedAt = performance.now();
      const rows = await this.#rows(session, upTo);
      const wanted = rows.findIndex(({ isOld }, at) => !isOld && at >= excess);
      const old = wanted === -1 ? rows : rows.slice(0, wanted);
      if (old.length > 0) await removeOrders(session, old);
      excess -= old.length;
      this.#after = old.at(-1)?.settlement ?? this.#after;
      if (old.length < stepRows) return;
      await this.#pause((performance.now() - startedAt) * pauseFactor);
    }
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#endPause = resolve;
      setTimeout(resolve, Math.min(Math.max(ms, pauseMs.least), pauseMs.most));
    });
  }

  /** The database may be away, or its disk full: it is tried again. */
  #failed({ message }: Error): void {
    if (this.#isClosed) return;
    this.#failures += 1;
    if (this.#failures !== failuresToReport) return;
    process.emitWarning(`Settled orders that are not to be kept could not be deleted: ${message}`, {
      type: 'OrderProcessorWarning',
      code: 'retention_failed',
    });
  }
}
