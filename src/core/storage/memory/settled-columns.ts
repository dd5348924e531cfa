import { noLabels, noPostings, type Priority } from '../../order/order.ts';
import type { OrderOutcome, OrderRecord, OrderStatus } from '../../order/outcome.ts';
import { appliedPostings } from '../../order/receipt.ts';
import { noneRemembered, noResults, noSteps } from '../../order/step-result.ts';
import type { StoredOrder, Times } from '../../order/stored-order.ts';
import { NumberRows } from './number-rows.ts';
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
  /** The greatest time of a settlement so far. */
  #greatest = Number.NEGATIVE_INFINITY;

  /** @param limit - how many slots there are at most */
  constructor(limit: number) {
    this.#numbers = new NumberRows(WIDTH, limit);
  }

  get length(): number {
    return this.ids.length;
  }

  /** @param balance - of a completed order */
  write(
    slot: number,
    order: Remembered,
    balance: number | undefined,
    sequence: number,
    status: OrderOutcome['status'],
    extra: Extra | undefined,
  ): void {
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
    numbers[at + KIND] = kindOf(order.priority, status);
    numbers[at + SEQUENCE] = sequence;
    numbers[at + GREATEST] = this.#greatest;
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
      status: statuses[this.#numbers.at(slot, KIND) & 3] as OrderStatus,
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
    const kind = this.#numbers.at(slot, KIND);
    return {
      ...extra?.times,
      ...extra?.links,
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
      postings: extra === undefined ? noPostings : appliedPostings(extra.postings, extra.balances),
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
