import type { InFlightOrders } from '../lifecycle/in-flight-orders.ts';
import type { Job } from '../lifecycle/job.ts';
import { isOver } from '../lifecycle/order-state.ts';
import type { OrderRecord } from '../order/outcome.ts';
import { storageFailed } from '../order/processor-errors.ts';
import { recordOf } from '../order/record.ts';
import type { StoredOrder } from '../order/stored-order.ts';
import { isThenable } from '../runtime/awaitable.ts';
import type { Clock } from '../runtime/clock.ts';
import { sizeOf } from '../runtime/size-of.ts';
import type { UntilClosed } from '../runtime/until-closed.ts';
import type { Ledger } from '../storage/ledger.ts';
import { isWanted, mergePages, nextOf, type PageOf } from '../storage/lists/order-pages.ts';
import type { StoredOrderPage } from '../storage/lists/stored-order-page.ts';
import { cursorOf } from './cursor.ts';
import { withRetry } from './known/retried-orders.ts';
import type { CheckedQuery, OrderPage } from './order-query.ts';

/** What `OrderList` needs of others. */
interface Sources {
  readonly ledger: Ledger;
  readonly inFlight: InFlightOrders;
  readonly clock: Clock;
  readonly questions: UntilClosed;
  /** When the steps of an order began, on the processor's clock. */
  startedAtOf(job: Job): number | undefined;
}

/** An order on a page. */
type Listed = OrderRecord & Pick<StoredOrder, 'sequence'>;

/** About how large a page may be, in bytes of JSON. */
const pageBytes = 2 ** 20;

/** The bytes of an order beside its texts and its payload. */
const orderBytes = 300;

/** How often the storage is asked for one page at most, if it looks at many orders and finds few. */
const mostCalls = 32;

/** Lists orders by their sequence: orders of the storage and orders in flight. */
export class OrderList {
  readonly #sources: Sources;

  constructor(sources: Sources) {
    this.#sources = sources;
  }

  /** @throws OrderError `storage_failed` */
  async page(query: CheckedQuery): Promise<OrderPage> {
    // Reads the orders in flight first: an order that is settled meanwhile is then in the storage's page.
    const inFlight = await this.#inFlight(query);
    const stored = await this.#stored(query);
    const page = toPage(mergePages<Listed>(inFlight, stored, query.limit));
    // Reads the clock: a page takes too long for an earlier reading to be right.
    this.#sources.clock.read();
    return page;
  }

  /** The orders that the storage does not have, or whose status it does not know. */
  async #inFlight(query: CheckedQuery): Promise<PageOf<Listed>> {
    const { before = Number.POSITIVE_INFINITY, limit, status, userId } = query;
    const orders: Listed[] = [];
    const isSettled = status !== undefined && status !== 'pending' && status !== 'processing';
    const isStored = this.#sources.ledger.journal !== undefined && status !== 'processing';
    if (isSettled || isStored) return { orders, next: undefined };
    let hasMore = false;
    const isEnough = (job: Job): boolean => {
      if (userId !== undefined && userId !== job.userId) return false;
      if (status !== undefined && status !== job.unsettledStatus) return false;
      const listed = this.#listed(job);
      if (listed === undefined || !isWanted(query, listed)) return false;
      hasMore = orders.length === limit;
      if (!hasMore) orders.push(listed);
      return hasMore;
    };
    const { clock, inFlight } = this.#sources;
    for (let below: number | undefined = before; below !== undefined; ) {
      below = inFlight.visit(below, isEnough);
      clock.read();
      if (clock.isTurnSpent) await clock.nextSlice();
    }
    return { orders, next: nextOf(orders, hasMore, undefined) };
  }

  async #stored(query: CheckedQuery): Promise<PageOf<Listed>> {
    const { status, limit } = query;
    const orders: Listed[] = [];
    // Only the processor knows when it began.
    if (status === 'processing') return { orders, next: undefined };
    let { before } = query;
    for (let calls = 1, bytes = 0; ; calls += 1) {
      const left = { limit: limit - orders.length, maxBytes: pageBytes - bytes };
      const page = await this.#ask({ ...query, ...left, status, before });
      for (const order of page.orders) {
        const listed = this.#asOfNow(order);
        if (status !== undefined && listed.status !== status) continue;
        orders.push(listed);
        bytes += bytesOf(listed);
      }
      const isFull = orders.length >= limit || bytes >= pageBytes;
      if (page.next === undefined || isFull || calls === mostCalls) {
        return { orders, next: page.next };
      }
      before = page.next;
      const { clock } = this.#sources;
      clock.read();
      if (clock.isTurnSpent) await clock.nextSlice();
    }
  }

  async #ask(query: Parameters<Ledger['list']>[0]): Promise<StoredOrderPage> {
    try {
      const page = this.#sources.ledger.list(query);
      return isThenable(page) ? await this.#sources.questions.ask(page) : page;
    } catch (cause) {
      throw storageFailed('The storage could not list the orders', cause);
    }
  }

  /** Adds what the storage does not know of an order. */
  #asOfNow(order: StoredOrder): Listed {
    if (order.settledAt !== undefined) return withRetry(order, this.#sources);
    const job = this.#sources.inFlight.get(order.id);
    const listed = job?.sequence === order.sequence ? this.#listed(job) : undefined;
    return listed ?? order;
  }

  /** `undefined` once it is settled. */
  #listed(job: Job): Listed | undefined {
    const { clock, startedAtOf } = this.#sources;
    if (isOver(job)) return undefined;
    const record = job.toRecord(clock, startedAtOf(job));
    return { ...record, sequence: job.sequence };
  }
}

/** Ends the page where it becomes too large, but not before the first order. */
function toPage({ orders, next }: PageOf<Listed>): OrderPage {
  const records: OrderRecord[] = [];
  let bytes = 0;
  for (const [at, order] of orders.entries()) {
    bytes += bytesOf(order);
    if (at > 0 && bytes > pageBytes) {
      const { sequence } = orders[at - 1] as Listed;
      return { orders: records, cursor: cursorOf(sequence) };
    }
    records.push(recordOf(order));
  }
  return { orders: records, cursor: next === undefined ? undefined : cursorOf(next) };
}

function bytesOf({ id, userId, message = '', payload, labels, steps, results }: Listed): number {
  const texts = id.length + userId.length + message.length;
  return orderBytes + texts + sizeOf([payload, labels, steps, results], pageBytes);
}
