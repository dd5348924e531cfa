import { noLabels, noPostings, type Priority } from '../../order/order.ts';
import type {
  AppliedPosting,
  OrderOutcome,
  OrderRecord,
  OrderStatus,
} from '../../order/outcome.ts';
import { noneRemembered, noResults, noSteps } from '../../order/step-result.ts';
import type { StoredOrder, Times } from '../../order/stored-order.ts';
import { NumberRows } from './columns/number-rows.ts';
import { SettledPostings } from './columns/settled-postings.ts';
import { SettledTraces } from './columns/settled-traces.ts';
import type { Extra, RememberedFields } from './settled-extra.ts';

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
const GREATEST = 7;
const WIDTH = 8;

/** How many kinds there can be. The same number has the order's postings: a row is as wide as a line of the cache. */
const kinds = 16;

/** A settled order as it is remembered. */
export interface Remembered extends RememberedFields, Times {
  readonly priority: Priority;
}

/** What settled orders are, slot by slot, in columns. The slots are written in turn. */
export class SettledColumns {
  readonly ids: (string | undefined)[] = [];
  readonly userIds: string[] = [];
  readonly extras: (Extra | undefined)[] = [];
  readonly #numbers: NumberRows;
  readonly #postings = new SettledPostings();
  readonly #traces = new SettledTraces();
  /** The greatest time of a settlement so far. */
  #greatest = Number.NEGATIVE_INFINITY;

  /** @param limit - how many slots there are at most */
  constructor(limit: number) {
    this.#numbers = new NumberRows(WIDTH, limit);
  }

  get length(): number {
    return this.ids.length;
  }

  /**
   * @param balance - of a completed order
   * @param postings - what `keep` has returned for the order's postings; 0 if none are kept
   * @param trace - as text
   */
  write(
    slot: number,
    order: Remembered,
    balance: number | undefined,
    sequence: number,
    status: OrderOutcome['status'],
    extra: Extra | undefined,
    postings: number,
    trace: string | undefined,
  ): void {
    this.#traces.write(slot, trace);
    this.ids[slot] = order.id;
    this.userIds[slot] = order.userId;
    this.extras[slot] = extra;
    const { settledAt } = order;
    if (settledAt > this.#greatest) this.#greatest = settledAt;
    const numbers = this.#numbers.segmentOf(slot);
    const at = this.#numbers.indexOf(slot);
    // What did not complete has settled nothing.
    numbers[at + AMOUNT] = balance === undefined ? order.orderedAmount : order.amount;
    numbers[at + BALANCE] = balance ?? Number.NaN;
    numbers[at + ACCEPTED] = order.acceptedAt;
    numbers[at + STARTED] = order.startedAt ?? Number.NaN;
    numbers[at + SETTLED] = settledAt;
    numbers[at + KIND] = kindOf(order.priority, status) + kinds * postings;
    numbers[at + SEQUENCE] = sequence;
    numbers[at + GREATEST] = this.#greatest;
  }

  /**
   * Keeps the postings of the order that is written next, which has some.
   *
   * @param balances - after each of them; none of an order that did not complete
   * @param bytes - as `bytesOfPostings` says
   */
  keep(postings: Remembered['postings'], balances: readonly number[], bytes: number): number {
    return this.#postings.add(postings, balances, bytes) + 1;
  }

  /** Forgets an order and what it has of its own. */
  release(slot: number): void {
    this.ids[slot] = undefined;
    this.extras[slot] = undefined;
    this.#traces.release(slot);
    this.#numbers.segmentOf(slot)[this.#numbers.indexOf(slot) + KIND] = this.#kindIn(slot);
  }

  /** The same of the oldest order that has something of its own. */
  releaseOldest(slot: number): void {
    const first = this.#firstPostingIn(slot);
    if (first !== -1) this.#postings.dropUpTo(first);
    this.release(slot);
  }

  /** About how many bytes are kept for an order alone. */
  bytesIn(slot: number): number {
    const first = this.#firstPostingIn(slot);
    const ofPostings = first === -1 ? 0 : this.#postings.bytesOf(first);
    return (this.extras[slot]?.bytes ?? 0) + ofPostings + this.#traces.bytesIn(slot);
  }

  postingsIn(slot: number): readonly AppliedPosting[] {
    const first = this.#firstPostingIn(slot);
    return first === -1 ? noPostings : this.#postings.of(first);
  }

  /** The order's posting to a user, if there is one. */
  postingIn(slot: number, userId: string): AppliedPosting | undefined {
    const first = this.#firstPostingIn(slot);
    return first === -1 ? undefined : this.#postings.find(first, userId);
  }

  /** -1 if it has none. */
  #firstPostingIn(slot: number): number {
    return Math.floor(this.#numbers.at(slot, KIND) / kinds) - 1;
  }

  #kindIn(slot: number): number {
    return this.#numbers.at(slot, KIND) % kinds;
  }

  sequenceIn(slot: number): number {
    return this.#numbers.at(slot, SEQUENCE);
  }

  amountIn(slot: number): number {
    return this.#numbers.at(slot, AMOUNT);
  }

  /** `NaN` unless the order completed. */
  balanceIn(slot: number): number {
    return this.#numbers.at(slot, BALANCE);
  }

  settledAtIn(slot: number): number {
    return this.#numbers.at(slot, SETTLED);
  }

  /** The greatest `settledAt` of all orders up to this one. */
  timeIn(slot: number): number {
    return this.#numbers.at(slot, GREATEST);
  }

  /** The fields by which a page is filtered. */
  headIn(slot: number): Pick<OrderRecord, 'userId' | 'status' | 'acceptedAt'> {
    return {
      userId: this.userIds[slot] as string,
      status: statuses[this.#kindIn(slot) & 3] as OrderStatus,
      acceptedAt: this.#numbers.at(slot, ACCEPTED),
    };
  }

  /** @param settlement - the number of the order's settlement */
  storedIn(slot: number, settlement: number): StoredOrder {
    const content = this.extras[slot]?.content;
    const sequence = this.sequenceIn(slot);
    const record = this.#recordIn(slot);
    const unsettled = { attempt: 1, decided: undefined, remembered: noneRemembered };
    return { ...record, ...unsettled, content, sequence, settlement };
  }

  #recordIn(slot: number): OrderRecord {
    const extra = this.extras[slot];
    const amount = this.amountIn(slot);
    const startedAt = this.#numbers.at(slot, STARTED);
    const balance = this.balanceIn(slot);
    const kind = this.#kindIn(slot);
    return {
      ...extra?.times,
      ...extra?.links,
      ...this.#traces.fieldIn(slot),
      id: this.ids[slot] as string,
      userId: this.userIds[slot] as string,
      amount,
      orderedAmount: extra?.orderedAmount ?? amount,
      priority: priorities[kind >> 2] as Priority,
      payload: extra?.payload,
      status: statuses[kind & 3] as OrderStatus,
      acceptedAt: this.#numbers.at(slot, ACCEPTED),
      startedAt: Number.isNaN(startedAt) ? undefined : startedAt,
      settledAt: this.settledAtIn(slot),
      balance: Number.isNaN(balance) ? undefined : balance,
      code: extra?.code,
      message: extra?.message,
      retryable: extra?.retryable,
      cause: extra?.cause,
      labels: extra?.labels ?? noLabels,
      postings: this.postingsIn(slot),
      steps: extra?.steps ?? noSteps,
      results: extra?.results ?? noResults,
    };
  }
}

/** Priority and status in one number; most are 0, medium and completed. */
function kindOf(priority: Priority, status: OrderOutcome['status']): number {
  const rank = priority === 'medium' ? 0 : priority === 'high' ? 1 : 2;
  return rank * 4 + (status === 'completed' ? 0 : status === 'failed' ? 1 : 2);
}
