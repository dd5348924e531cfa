import { hashOf } from '../../collections/id-hash.ts';
import { noLabels, noPostings, type Priority } from '../../order/order.ts';
import type { OrderError } from '../../order/order-error.ts';
import type {
  AppliedPosting,
  OrderOutcome,
  OrderRecord,
  OrderStatus,
} from '../../order/outcome.ts';
import type { StepResult } from '../../order/step-result.ts';
import { noResults, noSteps } from '../../order/step-result.ts';
import type { StoredOrder, Times } from '../../order/stored-order.ts';
import { isWanted, nextOf } from '../order-pages.ts';
import type { StoredOrderPage, StoredOrderQuery } from '../order-storage.ts';
import { NewestFirst, type Ring } from './newest-first.ts';
import { beginsSegment, NumberRows, segmentAt, segmentSize } from './number-rows.ts';
import {
  type Extra,
  extraOfError,
  extraOfReceipt,
  isPlain,
  noExtra,
  type RememberedFields,
} from './settled-extra.ts';
import { IdIndex } from './settled-index.ts';

const priorities: readonly Priority[] = ['medium', 'high', 'low'];
const statuses: readonly OrderStatus[] = ['completed', 'failed', 'canceled'];

// The columns' numbers, side by side for each order.
const AMOUNT = 0;
const BALANCE = 1;
const ACCEPTED = 2;
const STARTED = 3;
const SETTLED = 4;
const KIND = 5;
const SEQUENCE = 6;
const WIDTH = 7;

/** A settled order as it is remembered. */
export interface Remembered extends RememberedFields, Times {
  readonly priority: Priority;
}

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
export class SettledOrders {
  readonly #limit: number;
  readonly #slots: IdIndex;
  readonly #ids: (string | undefined)[] = [];
  readonly #userIds: string[] = [];
  readonly #extras: (Extra | undefined)[] = [];
  readonly #numbers: NumberRows;
  #lastPlain: Extra = noExtra;
  readonly #mostBytes: number;
  /** The bytes of all remembered orders. */
  #bytes = 0;
  /** How often the ring was filled. */
  #rounds = 0;
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
    this.#numbers = new NumberRows(WIDTH, limit);
    this.#slots = new IdIndex(limit, (slot) => this.#ids[slot]);
  }

  /** The same as `remember`, of an order with its outcome. */
  rememberOutcome(order: Remembered, outcome: OrderOutcome, sequence: number): void {
    if (outcome.status === 'completed') {
      const { balance, postings } = outcome;
      this.remember(order, balance, undefined, sequence, 'completed', postings);
    } else this.remember(order, undefined, outcome.error, sequence, outcome.status);
  }

  /**
   * @param balance - of a completed order
   * @param error - of an order that did not complete
   * @param sequence - the order's place in the order of acceptance
   * @param postings - as they were applied
   */
  remember(
    order: Remembered,
    balance: number | undefined,
    error: OrderError | undefined,
    sequence: number,
    status: OrderOutcome['status'] = error === undefined ? 'completed' : 'failed',
    postings: readonly AppliedPosting[] = noPostings,
  ): void {
    if (this.#limit === 0) return;
    if (error !== undefined && mayComeAgain(order, error)) return;
    const slot = this.#at;
    const extra = this.#extraOf(order, error, postings);
    if (this.#bytes + (extra?.bytes ?? 0) > 0) {
      this.#release(slot);
      if (!this.#makeRoomFor(extra?.bytes ?? 0)) return;
    }
    if (beginsSegment(slot)) this.#newestFirst.forget(segmentAt(slot));
    this.#slots.add(slot, hashOf(order.id));
    this.#ids[slot] = order.id;
    this.#userIds[slot] = order.userId;
    this.#extras[slot] = extra;
    const numbers = this.#numbers.segmentOf(slot);
    const at = this.#numbers.indexOf(slot);
    // What did not complete has settled nothing.
    numbers[at + AMOUNT] = balance === undefined ? order.orderedAmount : order.amount;
    numbers[at + BALANCE] = balance ?? Number.NaN;
    numbers[at + ACCEPTED] = order.acceptedAt;
    numbers[at + STARTED] = order.startedAt ?? Number.NaN;
    numbers[at + SETTLED] = order.settledAt;
    numbers[at + KIND] = kindOf(order.priority, status);
    numbers[at + SEQUENCE] = sequence;
    this.#at = slot + 1;
    if (this.#at < this.#limit) return;
    this.#at = 0;
    this.#rounds += 1;
  }

  forget(id: string): void {
    const slot = this.#slots.find(id);
    if (slot !== -1) this.#release(slot);
  }

  /** Forgets the order in a slot, if there is one. */
  #release(slot: number): void {
    if (slot >= this.#ids.length) return;
    this.#bytes -= this.#extras[slot]?.bytes ?? 0;
    this.#extras[slot] = undefined;
    this.#ids[slot] = undefined;
  }

  /** Forgets the oldest orders that take bytes, as far as needed; false if so many bytes can never fit. */
  #makeRoomFor(bytes: number): boolean {
    if (bytes > this.#mostBytes) return false;
    const written = this.#rounds * this.#limit + this.#at;
    let oldest = Math.max(this.#oldest, written - this.#ids.length);
    // Each order is looked at once.
    for (; this.#bytes + bytes > this.#mostBytes; oldest += 1) {
      const slot = oldest % this.#limit;
      if ((this.#extras[slot]?.bytes ?? 0) > 0) this.#release(slot);
    }
    this.#oldest = oldest;
    this.#bytes += bytes;
    return true;
  }

  find(id: string): StoredOrder | undefined {
    const slot = this.#slots.find(id);
    return slot === -1 ? undefined : this.#storedIn(slot);
  }

  /** One page of them, see `OrderStorage`; it looks at a bounded number of orders. */
  list(query: StoredOrderQuery): StoredOrderPage {
    const { before = Number.POSITIVE_INFINITY, limit } = query;
    const orders: StoredOrder[] = [];
    let lookedAt = 0;
    for (const slot of this.#newestFirst.slots(before)) {
      if (this.#ids[slot] !== undefined && isWanted(query, this.#headIn(slot))) {
        if (orders.length === limit) return { orders, next: nextOf(orders, true, undefined) };
        orders.push(this.#storedIn(slot));
      }
      lookedAt += 1;
      if (lookedAt === mostLookedAt) return { orders, next: this.#numbers.at(slot, SEQUENCE) };
    }
    return { orders, next: undefined };
  }

  #asRing(): Ring {
    const length = (): number => this.#ids.length;
    const current = (): number => segmentAt(this.#at);
    return {
      segmentSize,
      get length() {
        return length();
      },
      get current() {
        return current();
      },
      sequenceIn: (slot) => this.#numbers.at(slot, SEQUENCE),
    };
  }

  /** The fields by which a page is filtered. */
  #headIn(slot: number): Pick<OrderRecord, 'userId' | 'status' | 'acceptedAt'> {
    return {
      userId: this.#userIds[slot] as string,
      status: statuses[this.#numbers.at(slot, KIND) & 3] as OrderStatus,
      acceptedAt: this.#numbers.at(slot, ACCEPTED),
    };
  }

  #storedIn(slot: number): StoredOrder {
    const content = this.#extras[slot]?.content;
    const sequence = this.#numbers.at(slot, SEQUENCE);
    const settlement = this.#settlementIn(slot);
    return {
      ...this.#recordIn(slot),
      content,
      attempt: 1,
      decided: undefined,
      sequence,
      settlement,
    };
  }

  /** The slots are written in the order in which settlements are applied. */
  #settlementIn(slot: number): number {
    const rounds = slot < this.#at ? this.#rounds : this.#rounds - 1;
    return rounds * this.#limit + slot + 1;
  }

  #recordIn(slot: number): OrderRecord {
    const extra = this.#extras[slot];
    const amount = this.#numbers.at(slot, AMOUNT);
    const startedAt = this.#numbers.at(slot, STARTED);
    const balance = this.#numbers.at(slot, BALANCE);
    const kind = this.#numbers.at(slot, KIND);
    return {
      ...extra?.times,
      id: this.#ids[slot] as string,
      userId: this.#userIds[slot] as string,
      amount,
      orderedAmount: extra?.orderedAmount ?? amount,
      priority: priorities[kind >> 2] as Priority,
      payload: extra?.payload,
      status: statuses[kind & 3] as OrderStatus,
      acceptedAt: this.#numbers.at(slot, ACCEPTED),
      startedAt: Number.isNaN(startedAt) ? undefined : startedAt,
      settledAt: this.#numbers.at(slot, SETTLED),
      balance: Number.isNaN(balance) ? undefined : balance,
      code: extra?.code,
      message: extra?.message,
      retryable: extra?.retryable,
      cause: extra?.cause,
      labels: extra?.labels ?? noLabels,
      postings: extra?.postings ?? noPostings,
      steps: extra?.steps ?? noSteps,
      results: extra?.results ?? noResults,
    };
  }

  #extraOf(
    order: Remembered,
    error: OrderError | undefined,
    postings: readonly AppliedPosting[],
  ): Extra | undefined {
    if (error !== undefined) return extraOfError(order, error, this.#mostBytes);
    const { steps } = order;
    if (!isPlain(order, postings)) return extraOfReceipt(order, postings, this.#mostBytes);
    if (steps.length === 0) return undefined;
    // Most orders whose steps finished at once have their results in common.
    if (this.#lastPlain.steps !== steps) this.#lastPlain = { ...noExtra, steps };
    return this.#lastPlain;
  }

  amend(id: string, steps: readonly StepResult[]): void {
    const slot = this.#slots.find(id);
    if (slot !== -1) this.#extras[slot] = { ...(this.#extras[slot] ?? noExtra), steps };
  }
}

/** Priority and status in one number; most are 0, medium and completed. */
function kindOf(priority: Priority, status: OrderOutcome['status']): number {
  const rank = priority === 'medium' ? 0 : priority === 'high' ? 1 : 2;
  return rank * 4 + (status === 'completed' ? 0 : status === 'failed' ? 1 : 2);
}

/**
 * An order that failed with `storage_failed` may come again. But an order whose steps were compensated must not run
 * again under the same id: a payment provider would take its idempotency key for a repetition.
 */
function mayComeAgain({ steps }: Remembered, { code }: OrderError): boolean {
  return code === 'storage_failed' && steps.every(({ compensation }) => compensation === undefined);
}
