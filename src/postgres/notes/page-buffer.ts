import type { StoredOrder } from '../../core/order/stored-order.ts';
import type { SharedPage } from '../../core/storage/shared-storage.ts';
import type { PartitionReading } from './partitions/partition-reading.ts';

/** A page that was read. */
interface ReadPage extends SharedPage {
  readonly reading: PartitionReading;
  readonly orders: StoredOrder[];
  readonly toCancel: string[];
}

/** How many requests to cancel orders that were not read yet are kept. */
const mostCancels = 1_000;

/** Pages that were read and are not given to the processor yet, and requests to cancel their orders. */
export class PageBuffer {
  /** In the order in which they are given; one of each partition. */
  readonly #pages = new Map<PartitionReading, ReadPage>();
  /** The page that the processor takes. */
  #taken: ReadPage | undefined;
  /** Its orders that are to be canceled once they are taken. */
  #late: string[] = [];
  /** Orders to be canceled that were not read when the request came; the answer of a read may be older. */
  readonly #cancels = new Set<number>();
  readonly #cancel: (id: string) => void;

  /** @param cancel - called with an order that was given and is to be canceled; never throws */
  constructor(cancel: (id: string) => void) {
    this.#cancel = cancel;
  }

  get isEmpty(): boolean {
    return this.#pages.size === 0;
  }

  /** The next page. The one before it is taken by now. */
  next(): SharedPage | undefined {
    for (const id of this.#late.splice(0)) this.#cancel(id);
    const [next] = this.#pages.values();
    if (next !== undefined) this.#pages.delete(next.reading);
    this.#taken = next;
    return next;
  }

  push(reading: PartitionReading, order: StoredOrder, isToCancel: boolean): void {
    let page = this.#pages.get(reading);
    if (page === undefined) {
      page = { partition: reading.partition, reading, orders: [], toCancel: [] };
      this.#pages.set(reading, page);
    }
    page.orders.push(order);
    if (this.#cancels.delete(order.sequence) || isToCancel) page.toCancel.push(order.id);
  }

  /** The owner of an order is asked to cancel it. Returns whether the order was read. */
  cancelRequested(reading: PartitionReading, sequence: number, id: string): boolean {
    const isIn = (page: ReadPage | undefined): boolean =>
      page?.reading === reading && page.orders.some((order) => order.id === id);
    const waiting = this.#pages.get(reading);
    if (isIn(waiting)) waiting?.toCancel.push(id);
    else if (isIn(this.#taken)) this.#late.push(id);
    else if (reading.has(sequence)) this.#cancel(id);
    else {
      if (this.#cancels.size < mostCancels) this.#cancels.add(sequence);
      return false;
    }
    return true;
  }

  /** What is read from now on has the requests that have come. */
  forgetCancels(): void {
    this.#cancels.clear();
  }

  /** What was read is read once more. */
  clear(): void {
    this.#pages.clear();
    this.#taken = undefined;
    this.#late = [];
  }
}
