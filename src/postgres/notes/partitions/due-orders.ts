import type { StoredOrder } from '../../../core/order/stored-order.ts';
import type { TakeUnreadable } from '../../../core/storage/reading/unreadable-orders.ts';
import type { Life } from '../../members/life.ts';
import type { Statement } from '../../sessions/session.ts';
import { fromKept } from '../../values/kept-text.ts';
import { plainArray } from '../../values/literals.ts';
import { ordersOf } from '../../values/rows.ts';
import { type PendingRow, readListed, type SequenceRow } from '../order-reads.ts';
import type { PartitionReadings } from './partition-readings.ts';

/** How many orders one step takes at most. */
const mostAtOnce = 1_000;

/** The longest time that the timer waits, in milliseconds: the sweep looks again before that. */
const longestWaitMs = 60_000;

/** How long it waits where orders were due and none was taken, in milliseconds. */
const pauseMs = 50;

/** $1 partitions: of each that has delayed orders, when the first is due, and in how many milliseconds */
export const nextStatement: Statement = {
  name: 'next_due',
  text: `SELECT c.part, n.not_before AS at,
    n.not_before - floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS "inMs"
  FROM unnest($1::smallint[]) AS c(part) CROSS JOIN LATERAL (
    SELECT not_before FROM pending WHERE part = c.part AND not_before IS NOT NULL
    ORDER BY not_before, seq LIMIT 1 OFFSET 0) n`,
};

/**
 * $1 number, $2 token, $3 partitions, $4 how many orders of each: those that are due are no delayed orders any more. The
 * partitions are locked until that is written, so that a later owner reads it.
 */
export const dueStatement: Statement = {
  name: 'due',
  text: `WITH f AS MATERIALIZED (
    SELECT 1 FROM processors WHERE number = $1 AND token = $2::uuid FOR KEY SHARE),
  w AS MATERIALIZED (
    SELECT part, epoch FROM partitions WHERE part = ANY ($3::smallint[]) AND owner = $1 AND EXISTS (SELECT FROM f)
    ORDER BY part FOR SHARE),
  t AS MATERIALIZED (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now),
  d AS MATERIALIZED (SELECT x.seq FROM w CROSS JOIN t CROSS JOIN LATERAL (
    SELECT seq FROM pending WHERE part = w.part AND not_before IS NOT NULL AND not_before <= t.now
    ORDER BY not_before, seq LIMIT $4::int FOR UPDATE) x)
  UPDATE pending SET not_before = NULL, epoch = (SELECT w.epoch FROM w WHERE w.part = pending.part)
  WHERE seq = ANY (ARRAY(SELECT seq FROM d)) RETURNING seq, part, user_id`,
};

/** A note that delayed orders were accepted. */
export interface DelayedNote {
  /** The partitions of the orders: the bit of each. */
  readonly bits: bigint;
  /** The earliest `notBefore` of them, in Unix milliseconds. */
  readonly at: number;
}

/** @param orders - delayed ones, each with its partition; one or more */
export function delayedNote(
  orders: readonly { readonly notBefore?: number | undefined; readonly part: number }[],
): string {
  const bits = orders.reduce((all, { part }) => all | (1n << BigInt(part)), 0n);
  const at = Math.min(...orders.map(({ notBefore = 0 }) => notBefore));
  return `delayed ${bits.toString(16)} ${at}`;
}

/** @returns `undefined` for another note */
export function parseDelayedNote(payload: string): DelayedNote | undefined {
  const found = /^delayed ([0-9a-f]+) (\d+)$/.exec(payload);
  if (found === null) return undefined;
  return { bits: BigInt(`0x${found[1]}`), at: Number(found[2]) };
}

/** An order whose time has come. */
export interface DueOrder {
  readonly order: StoredOrder;
  readonly row: PendingRow;
}

/** When delayed orders of the owned partitions are due, by the server's clock, in one life. */
export class DueOrders {
  readonly #life: Life;
  readonly #wake: () => void;
  readonly #takeUnreadable: TakeUnreadable;
  /** The earliest known `notBefore` that is still to come. */
  #next = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  /** There may be orders that are due. */
  isDue = true;

  /** @param wake - called when that may be so */
  constructor(life: Life, wake: () => void, takeUnreadable: TakeUnreadable) {
    this.#life = life;
    this.#wake = wake;
    this.#takeUnreadable = takeUnreadable;
  }

  /** Orders may be due. */
  look(): void {
    this.isDue = true;
    this.#wake();
  }

  heard({ at }: DelayedNote): void {
    if (at < this.#next) this.look();
  }

  /** Reads some of the orders that are due and may be given. If there are no more, it waits until the next one is. */
  async read(readings: PartitionReadings): Promise<DueOrder[]> {
    const due = await this.#take(readings.parts);
    const mayBeGiven = due.filter(({ seq, part, user_id }) =>
      readings.get(part)?.takesDue(seq, fromKept(user_id)),
    );
    if (mayBeGiven.length === 0) return [];
    const sequences = mayBeGiven.map(({ seq }) => seq);
    const rows = await readListed(this.#life, sequences);
    const rowOf = new Map(rows.map((row) => [row.seq, row]));
    const orders = ordersOf(rows, this.#takeUnreadable).toSorted(byTime);
    return orders.map((order) => ({ order, row: rowOf.get(order.sequence) as PendingRow }));
  }

  async #take(parts: readonly number[]): Promise<SequenceRow[]> {
    this.isDue = false;
    clearTimeout(this.#timer);
    // Of what is accepted from now on the answer may say nothing.
    this.#next = Number.POSITIVE_INFINITY;
    if (parts.length === 0) return [];
    const { number, read, token } = this.#life;
    try {
      const firsts = await read.query<{ part: number; at: number; inMs: number }>(nextStatement, [
        plainArray(parts),
      ]);
      const due = firsts.filter(({ inMs }) => inMs <= 0).map(({ part }) => part);
      if (due.length === 0) {
        this.#waitFor(firsts);
        return [];
      }
      const most = Math.max(16, Math.floor(mostAtOnce / due.length));
      const values = [number, token, plainArray(due), most];
      const rows = await read.query<SequenceRow>(dueStatement, values);
      this.isDue ||= rows.length > 0;
      // The partitions may be another processor's by now.
      if (!this.isDue) this.#lookIn(pauseMs);
      return rows;
    } catch (error) {
      this.isDue = true;
      throw error;
    }
  }

  #waitFor(firsts: readonly { readonly at: number; readonly inMs: number }[]): void {
    // A note that came meanwhile says of what the answer may lack.
    if (this.isDue || this.#life.isOver) return;
    this.#next = Math.min(Number.POSITIVE_INFINITY, ...firsts.map(({ at }) => at));
    const inMs = Math.min(...firsts.map((first) => first.inMs));
    if (firsts.length > 0 && inMs <= longestWaitMs) this.#lookIn(Math.max(1, inMs));
  }

  #lookIn(ms: number): void {
    this.#timer = setTimeout(() => {
      if (!this.#life.isOver) this.look();
    }, ms);
    // Sessions keep the process alive, and a life that is over has none.
    this.#timer.unref();
  }
}

function byTime(one: StoredOrder, other: StoredOrder): number {
  const [first = 0, second = 0] = [one.notBefore, other.notBefore];
  return first - second || one.sequence - other.sequence;
}
