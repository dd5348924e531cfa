import type { NewOrder } from '../../../core/order/stored-order.ts';

/** For how long an id is set apart after it was waited for in vain, in milliseconds. */
const apartMs = 60_000;

/** So many ids are set apart at most: those that were found first are forgotten. */
const mostIds = 1_000;

/** Orders of one call, by whether their ids may have to be waited for. */
export interface SplitOrders {
  readonly free: readonly NewOrder[];
  readonly apart: readonly NewOrder[];
}

/** Ids that open transactions of hosts are taking. Orders with them are kept apart: the others do not wait for them. */
export class TakenIds {
  /** By id: until when it is set apart. */
  readonly #until = new Map<string, number>();

  /** An id was waited for in vain. */
  add(id: string): void {
    this.#until.delete(id);
    this.#until.set(id, performance.now() + apartMs);
    const [first] = this.#until.keys();
    if (this.#until.size > mostIds) this.#until.delete(first as string);
  }

  /** An id was waited for no longer. */
  delete(id: string): void {
    this.#until.delete(id);
  }

  /** Sets all orders of the users apart who have such an id: they stay in their order. `undefined` if none has. */
  split(orders: readonly NewOrder[]): SplitOrders | undefined {
    this.#forgetOld();
    if (this.#until.size === 0) return undefined;
    const taken = orders.filter(({ id }) => this.#until.has(id));
    if (taken.length === 0) return undefined;
    const users = new Set(taken.map(({ userId }) => userId));
    const isApart = ({ userId }: NewOrder): boolean => users.has(userId);
    return { free: orders.filter((order) => !isApart(order)), apart: orders.filter(isApart) };
  }

  /** The first ones were found first. Without any, an accept costs nothing more. */
  #forgetOld(): void {
    for (const [id, until] of this.#until) {
      if (until > performance.now()) return;
      this.#until.delete(id);
    }
  }
}
