import { setTimeout as sleep } from 'node:timers/promises';
import type { SettledPage, SettledQuery } from '../../../core/storage/history/history-storage.ts';
import type { TakeUnreadable } from '../../../core/storage/reading/unreadable-orders.ts';
import type { Session } from '../../sessions/session.ts';
import { bounded, type SizedRow, selectedSize } from '../../values/pages.ts';
import { besideSettled, type OrderRow, ordersOf, settledColumns } from '../../values/rows.ts';
import { settlementLock } from '../../values/settlement-lock.ts';

/** How many settlements a call of `settle` may have: so far apart are the numbers that two calls draw. */
const numbersOfCall = 1_024;

/** A page ends early with so many bytes: payloads may be long. */
const pageBytes = 4_000_000;

/** How long a read waits for settlements that are being written, in milliseconds. */
const mostWaitMs = 250;

/** `place` is the settlement. A row without an order is of one that was deleted by hand. */
const page = {
  name: 'settled_page',
  text: `SELECT m.last, m.pruned, x.* FROM (
      SELECT greatest((SELECT max(settlement) FROM outcomes), pruned) AS last, pruned FROM meta) m
    LEFT JOIN LATERAL (${bounded(
      `SELECT d.settlement AS place, ${settledColumns}, ${selectedSize}
      FROM (SELECT seq, settlement FROM outcomes
        WHERE settlement > greatest($1::bigint, m.pruned) AND settlement <= $2::bigint
        ORDER BY settlement LIMIT $3::int) d
      LEFT JOIN LATERAL (SELECT * FROM orders WHERE seq = d.seq OFFSET 0) o ON true ${besideSettled}`,
      'place',
      `${pageBytes}`,
    )}) x ON true ORDER BY x.place`,
};

type Row = { readonly last: number; readonly pruned: number } & (
  | { readonly place: null }
  | (SizedRow & { readonly place: number } & (OrderRow | { readonly id: null }))
);

type PlacedRow = Extract<Row, SizedRow>;

const lastDrawn = {
  name: 'settlement_last_drawn',
  text: 'SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS drawn FROM settlement_sequence',
};

const writing = {
  name: 'settlements_writing',
  text: `SELECT virtualtransaction AS writer FROM pg_locks
    WHERE locktype = 'advisory' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid = $1::bigint::oid AND objid = $2::bigint::oid AND objsubid = 2`,
};

/** One read of the table. */
interface Found {
  readonly page: SettledPage;
  /** How many settlements it has looked at. */
  readonly count: number;
}

/** A number that was drawn, and those transactions that wrote settlements then and have not ended. */
interface Candidate {
  readonly drawn: number;
  writers: ReadonlySet<string>;
}

/** How many of them are remembered. */
const mostCandidates = 64;

/**
 * Settled orders in the order applied. A number that was drawn may be committed after a greater one: the feed gives
 * numbers only as far as it is known that none below them is still to come.
 *
 * A transaction holds a lock from before it draws a number until it has ended. So when all have ended that held it after
 * a number was read, every number up to that one is there or will never be.
 */
export class Feed {
  readonly #lock: readonly [number, number];
  readonly #takeUnreadable: TakeUnreadable;
  /** Every settlement up to this number is there, or will never be. */
  #complete = 0;
  /** By their numbers. */
  #candidates: readonly Candidate[] = [];
  #session: Session | undefined;
  #looking: Promise<void> | undefined;

  constructor(schema: string, takeUnreadable: TakeUnreadable) {
    const [group, key] = settlementLock(schema);
    // As the server shows them.
    this.#lock = [group >>> 0, key >>> 0];
    this.#takeUnreadable = takeUnreadable;
  }

  /** One page. Where settlements are being written whose numbers come first, it waits for them for a moment. */
  async read(session: Session, query: SettledQuery): Promise<SettledPage> {
    const end = performance.now() + mostWaitMs;
    this.#begin(session);
    for (let waitMs = 0; ; waitMs = Math.min(2 * waitMs + 1, 32)) {
      const { page, count } = await this.#find(session, query);
      if (count > 0 || page.next >= page.last || performance.now() > end) return page;
      if (waitMs > 0) await sleep(waitMs);
      await this.#lookOnce(session);
    }
  }

  /** After a fail-over the server may have forgotten numbers, and draws them again. */
  #begin(session: Session): void {
    if (session === this.#session) return;
    this.#session = session;
    this.#complete = 0;
    this.#candidates = [];
    this.#looking = undefined;
  }

  async #find(session: Session, { after, limit }: SettledQuery): Promise<Found> {
    const rows = await session.query<Row>(page, [after, this.#complete, limit]);
    const { last, pruned } = rows[0] as Row;
    const placed = rows.filter((row): row is PlacedRow => row.place !== null);
    const kept = placed.filter((row): row is Extract<PlacedRow, OrderRow> => row.id !== null);
    const orders = ordersOf(kept, this.#takeUnreadable);
    const next = placed.at(-1)?.place ?? Math.max(after, pruned);
    return { page: { orders, next, last, forgotten: pruned }, count: placed.length };
  }

  /** Several readers look together: the answers of two looks could come in between each other. */
  async #lookOnce(session: Session): Promise<void> {
    const looking = this.#looking ?? this.#look(session);
    this.#looking = looking;
    try {
      await looking;
    } finally {
      if (this.#looking === looking) this.#looking = undefined;
    }
  }

  /** Looks who writes settlements now, and how far no settlement is still to come. */
  async #look(session: Session): Promise<void> {
    // The number comes first: who draws a greater one may not hold the lock yet.
    const [last] = await session.query<{ drawn: number }>(lastDrawn);
    const rows = await session.query<{ writer: string }>(writing, this.#lock);
    const now = new Set(rows.map(({ writer }) => writer));
    if (session !== this.#session) return;
    const drawn = last?.drawn ?? 0;
    const candidates = this.#candidates.slice(0, mostCandidates - 1);
    for (const candidate of candidates) {
      candidate.writers = new Set([...candidate.writers].filter((writer) => now.has(writer)));
    }
    if ((candidates.at(-1)?.drawn ?? 0) < drawn) candidates.push({ drawn, writers: now });
    const ended = candidates.findLast(({ writers }) => writers.size === 0);
    if (ended !== undefined) this.#complete = (ended.drawn + 1) * numbersOfCall - 1;
    this.#candidates = candidates.filter(({ drawn: each }) => each > (ended?.drawn ?? 0));
  }
}
