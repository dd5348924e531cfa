import type { StoredOrder } from '../../core/order/stored-order.ts';
import type { TakeUnreadable } from '../../core/storage/reading/unreadable-orders.ts';
import type { Life } from '../members/life.ts';
import type { Session, Statement } from '../sessions/session.ts';
import { settledRowsAt } from '../statements/orders/find.ts';
import { integersOf, plainArray } from '../values/literals.ts';
import { ordersOf } from '../values/rows.ts';

/** How many outcomes one statement asks for. */
const mostAtOnce = 1_000;

/** How long an outcome is awaited before it is asked for, in milliseconds. */
const askAfterMs = 2_000;

/** $1 sequences; those that are unsettled no more */
const endedStatement: Statement = {
  name: 'ended',
  text: `SELECT array_agg(l.seq)::text AS sequences FROM unnest($1::bigint[]) AS l(seq)
  WHERE NOT EXISTS (SELECT FROM pending p WHERE p.seq = l.seq OFFSET 0)`,
};

/** The orders whose outcomes are awaited here, by sequence. */
export class AwaitedOrders {
  /** Since when, or since when it was asked for last, by the monotonic clock. */
  readonly #since = new Map<number, number>();
  /** Noted as settled, to be read. */
  #noted: number[] = [];
  #isReading = false;
  readonly #timer: NodeJS.Timeout;
  readonly #life: () => Life | undefined;
  readonly #settled: (order: StoredOrder) => void;
  readonly #takeUnreadable: TakeUnreadable;

  /**
   * @param life - the one that there is
   * @param settled - called with each that is settled; never throws
   */
  constructor(
    life: () => Life | undefined,
    settled: (order: StoredOrder) => void,
    takeUnreadable: TakeUnreadable,
  ) {
    this.#life = life;
    this.#settled = settled;
    this.#takeUnreadable = takeUnreadable;
    this.#timer = setInterval(() => void this.#ask(askAfterMs), askAfterMs);
  }

  get size(): number {
    return this.#since.size;
  }

  add(sequence: number): void {
    this.#since.set(sequence, performance.now());
  }

  delete(sequence: number): void {
    this.#since.delete(sequence);
  }

  /** The owner notes that orders are settled. */
  heard(payload: string): void {
    for (const text of payload.split(' ')) {
      const sequence = Number(text);
      if (Number.isSafeInteger(sequence)) this.#noted.push(sequence);
    }
    if (!this.#isReading) void this.#readNoted();
  }

  /** Notes may have been missed. */
  askAll(): void {
    void this.#ask(0);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#since.clear();
  }

  async #readNoted(): Promise<void> {
    this.#isReading = true;
    while (this.#noted.length > 0) {
      const sequences = this.#noted.splice(0, mostAtOnce);
      const life = this.#life();
      // Without a life, or where it fails, they are asked for later.
      if (life !== undefined) await this.#read(life.read, sequences).catch(() => {});
    }
    this.#isReading = false;
  }

  /** Asks for those that have been awaited for some time. */
  async #ask(sinceMs: number): Promise<void> {
    const now = performance.now();
    const late: number[] = [];
    for (const [sequence, since] of this.#since) if (now - since >= sinceMs) late.push(sequence);
    try {
      for (let at = 0; at < late.length; at += mostAtOnce) {
        const some = late.slice(at, at + mostAtOnce).filter((each) => this.#since.has(each));
        const life = this.#life();
        if (life === undefined) return;
        for (const sequence of some) this.#since.set(sequence, performance.now());
        const values = [plainArray(some)];
        const [row] = await life.read.query<{ sequences: string | null }>(endedStatement, values);
        const ended = integersOf(row?.sequences ?? null);
        await this.#read(life.read, ended);
        // What was not found is not there any more.
        for (const sequence of ended) this.#since.delete(sequence);
      }
    } catch {
      // It asks again, and a new life asks for all.
    }
  }

  async #read(session: Session, sequences: readonly number[]): Promise<void> {
    if (sequences.length === 0) return;
    const rows = await settledRowsAt(session, sequences);
    for (const order of ordersOf(rows, this.#takeUnreadable)) {
      this.#since.delete(order.sequence);
      this.#settled(order);
    }
  }
}
