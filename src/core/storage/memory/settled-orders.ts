import { hashOf } from '../../collections/id-hash.ts';
import { noPostings } from '../../order/order.ts';
import type { OrderError } from '../../order/order-error.ts';
import type { OrderOutcome } from '../../order/outcome.ts';
import type { StepResult } from '../../order/step-result.ts';
import type { StoredOrder } from '../../order/stored-order.ts';
import { traceText } from '../../order/trace/trace-context.ts';
import { isWanted, nextOf } from '../lists/order-pages.ts';
import type { StoredOrderPage, StoredOrderQuery } from '../lists/stored-order-page.ts';
import { beginsSegment, segmentAt, segmentSize } from './columns/number-rows.ts';
import { bytesOfPostings } from './columns/settled-postings.ts';
import { bytesOfTrace } from './columns/settled-traces.ts';
import { NewestFirst, type Ring } from './newest-first.ts';
import { type Remembered, SettledColumns } from './settled-columns.ts';
import { type Extra, extraOfError, extraOfReceipt, isPlain, noExtra } from './settled-extra.ts';
import type { SettlementRing } from './settled-history.ts';
import { IdIndex } from './settled-index.ts';

/** How many orders a page looks at before it ends. */
const mostLookedAt = 4_096;

/**
 * The last settled orders, up to a number, in memory. They are kept as columns in a ring and not as objects: objects
 * that stay cost more in the garbage collector than in writing, and numbers in a typed array cost it nothing. The ring
 * also says which id is the oldest.
 *
 * A small host does not pay for a large retention: the columns grow as the ring is filled for the first time, which
 * an array does by itself, copying them: two milliseconds at most for a hundred thousand orders. The numbers, as
 * many bytes again, are not copied.
 */
export class SettledOrders implements SettlementRing {
  readonly #limit: number;
  readonly #slots: IdIndex;
  readonly #columns: SettledColumns;
  #lastPlain: Extra = noExtra;
  readonly #mostBytes: number;
  /** The bytes of all remembered orders. */
  #bytes = 0;
  /** How often the ring was filled; with a limit of 0, how many orders there were. */
  #rounds = 0;
  /** The last settlement whose order was forgotten because of its bytes. */
  #missing = 0;
  /** How many orders were remembered before the oldest one that may take bytes. */
  #oldest = 0;
  /** The slot to write next; the oldest once the ring is full. */
  #at = 0;
  readonly #newestFirst = new NewestFirst(this.#asRing());

  /**
   * @param limit - how many orders are remembered
   * @param mostBytes - how many bytes they may take together, beyond what every order takes; above that the oldest
   *   order that takes such bytes is forgotten
   */
  constructor(limit: number, mostBytes: number) {
    this.#limit = limit;
    this.#mostBytes = mostBytes;
    this.#columns = new SettledColumns(limit);
    const { ids } = this.#columns;
    this.#slots = new IdIndex(limit, (slot) => ids[slot]);
  }

  /** The same as `remember`, of an order with its outcome. */
  rememberOutcome(order: Remembered, outcome: OrderOutcome, sequence: number): void {
    if (outcome.status === 'completed') {
      const { balance, postings } = outcome;
      const balances = postings.map((posting) => posting.balance as number);
      this.remember(order, balance, undefined, sequence, 'completed', balances);
    } else this.remember(order, undefined, outcome.error, sequence, outcome.status);
  }

  /**
   * @param balance - of a completed order
   * @param error - of an order that did not complete
   * @param sequence - the order's place in the order of acceptance
   * @param balances - after each of its postings
   */
  remember(
    order: Remembered,
    balance: number | undefined,
    error: OrderError | undefined,
    sequence: number,
    status: OrderOutcome['status'] = error === undefined ? 'completed' : 'failed',
    balances: readonly number[] = noPostings,
  ): void {
    if (error !== undefined && mayComeAgain(order, error)) return;
    if (this.#limit === 0) {
      this.#rounds += 1;
      return;
    }
    const slot = this.#at;
    const extra = this.#extraOf(order, error);
    const ofPostings = bytesOfPostings(order.postings);
    const trace = traceText(order.traceContext) ?? undefined;
    const bytes = (extra?.bytes ?? 0) + ofPostings + bytesOfTrace(trace);
    let isKept = true;
    if (this.#bytes + bytes > 0) {
      this.#releaseOldest(slot);
      isKept = this.#makeRoomFor(bytes);
    }
    const hasPostings = isKept && ofPostings > 0;
    const postings = hasPostings ? this.#columns.keep(order.postings, balances, ofPostings) : 0;
    if (beginsSegment(slot)) this.#newestFirst.forget(segmentAt(slot));
    if (order.retryOf !== undefined) this.retried(order.retryOf, order.id, sequence);
    this.#slots.add(slot, hashOf(order.id));
    const own = isKept ? extra : undefined;
    const kept = isKept ? trace : undefined;
    this.#columns.write(slot, order, balance, sequence, status, own, postings, kept);
    if (!isKept) {
      this.#columns.ids[slot] = undefined;
      this.#missing = this.last + 1;
    }
    this.#at = slot + 1;
    if (this.#at < this.#limit) return;
    this.#at = 0;
    this.#rounds += 1;
  }

  /** The number of the last settlement; 0 before the first. */
  get last(): number {
    return this.#limit === 0 ? this.#rounds : this.#rounds * this.#limit + this.#at;
  }

  /** Settlements up to this one may be missing. */
  get forgotten(): number {
    return Math.max(this.last - this.#columns.length, this.#missing);
  }

  get columns(): SettledColumns {
    return this.#columns;
  }

  slotOf(settlement: number): number {
    return (settlement - 1) % this.#limit;
  }

  forget(id: string): void {
    const slot = this.#slots.find(id);
    if (slot === -1) return;
    this.#bytes -= this.#columns.bytesIn(slot);
    this.#columns.release(slot);
  }

  /** Forgets the order in a slot, if there is one: the oldest that may take bytes. */
  #releaseOldest(slot: number): void {
    if (slot >= this.#columns.length) return;
    this.#bytes -= this.#columns.bytesIn(slot);
    this.#columns.releaseOldest(slot);
  }

  /** Forgets the oldest orders that take bytes, as far as needed; false if so many bytes can never fit. */
  #makeRoomFor(bytes: number): boolean {
    if (bytes > this.#mostBytes) return false;
    const written = this.last;
    let oldest = Math.max(this.#oldest, written - this.#columns.length);
    // Each order is looked at once.
    for (; this.#bytes + bytes > this.#mostBytes; oldest += 1) {
      const slot = oldest % this.#limit;
      if (this.#columns.bytesIn(slot) === 0) continue;
      this.#releaseOldest(slot);
      this.#missing = oldest + 1;
    }
    this.#oldest = oldest;
    this.#bytes += bytes;
    return true;
  }

  find(id: string): StoredOrder | undefined {
    const slot = this.#slots.find(id);
    return slot === -1 ? undefined : this.#columns.storedIn(slot, this.#settlementIn(slot));
  }

  /** One page of them, see `OrderStorage`; it looks at a bounded number of orders. */
  list(query: StoredOrderQuery): StoredOrderPage {
    const { before = Number.POSITIVE_INFINITY, limit } = query;
    const orders: StoredOrder[] = [];
    let lookedAt = 0;
    for (const slot of this.#newestFirst.slots(before)) {
      if (this.#columns.ids[slot] !== undefined && isWanted(query, this.#columns.headIn(slot))) {
        if (orders.length === limit) return { orders, next: nextOf(orders, true, undefined) };
        orders.push(this.#columns.storedIn(slot, this.#settlementIn(slot)));
      }
      lookedAt += 1;
      if (lookedAt === mostLookedAt) return { orders, next: this.#columns.sequenceIn(slot) };
    }
    return { orders, next: undefined };
  }

  #asRing(): Ring {
    const length = (): number => this.#columns.length;
    const current = (): number => segmentAt(this.#at);
    return {
      segmentSize,
      get length() {
        return length();
      },
      get current() {
        return current();
      },
      sequenceIn: (slot) => this.#columns.sequenceIn(slot),
    };
  }

  /** The number of the settlement in a slot: they are written in the order in which settlements are applied. */
  #settlementIn(slot: number): number {
    const rounds = slot < this.#at ? this.#rounds : this.#rounds - 1;
    return rounds * this.#limit + slot + 1;
  }

  #extraOf(order: Remembered, error: OrderError | undefined): Extra | undefined {
    if (error !== undefined) return extraOfError(order, error, this.#mostBytes);
    const { steps } = order;
    if (!isPlain(order)) return extraOfReceipt(order, this.#mostBytes);
    if (steps.length === 0) return undefined;
    // Most orders whose steps finished at once have their results in common.
    if (this.#lastPlain.steps !== steps) this.#lastPlain = { ...noExtra, steps };
    return this.#lastPlain;
  }

  /**
   * An order has come again as another one.
   *
   * @param sequence - of that one; if it is less than the order's, an earlier order with the id came again as it
   */
  retried(id: string, retriedAs: string, sequence: number): void {
    const slot = this.#slots.find(id);
    if (slot === -1 || this.#columns.sequenceIn(slot) > sequence) return;
    const extra = this.#columns.extras[slot] ?? noExtra;
    this.#columns.extras[slot] = { ...extra, links: { ...extra.links, retriedAs } };
  }

  amend(id: string, steps: readonly StepResult[]): void {
    const slot = this.#slots.find(id);
    if (slot !== -1)
      this.#columns.extras[slot] = { ...(this.#columns.extras[slot] ?? noExtra), steps };
  }
}

/**
 * An order that failed with `storage_failed` may come again. But an order whose steps were compensated must not run
 * again under the same id: a payment provider would take its idempotency key for a repetition.
 */
function mayComeAgain({ steps }: Remembered, { code }: OrderError): boolean {
  return code === 'storage_failed' && steps.every(({ compensation }) => compensation === undefined);
}
