import type { StoredOrder } from '../../order/stored-order.ts';
import { show } from '../../runtime/thrown.ts';

/**
 * The place of an order among the delayed ones: by `notBefore`, then by `sequence`.
 *
 * @category For authors of storages
 */
export interface DuePlace {
  /** The order's `notBefore`, in Unix milliseconds. */
  readonly notBefore: number;
  /** See {@link StoredOrder.sequence}. */
  readonly sequence: number;
}

/**
 * Which unsettled orders with a `notBefore` a storage gives.
 *
 * @category For authors of storages
 */
export interface DueQuery {
  /** Only orders behind this place. */
  readonly after: DuePlace;
  /** Only orders whose `notBefore` is not above this time, in Unix milliseconds. */
  readonly upTo: number;
  /** How many at most, from 1 up. */
  readonly limit: number;
}

/**
 * Some unsettled orders with a `notBefore`.
 *
 * @category For authors of storages
 */
export interface DuePage {
  /** The orders, by their places; as many as there are, and at most `limit`. */
  readonly orders: readonly StoredOrder[];
  /**
   * The `notBefore` of the first unsettled order behind the orders of the page, also if it is above `upTo`; `undefined`
   * if there is none.
   */
  readonly next: number | undefined;
}

/** The place of an order that has a `notBefore`. */
export function placeOf({ notBefore, sequence }: StoredOrder): DuePlace {
  return { notBefore: notBefore as number, sequence };
}

/** Whether a place comes behind another one. */
export function isBehind(place: DuePlace, other: DuePlace): boolean {
  if (place.notBefore !== other.notBefore) return place.notBefore > other.notBefore;
  return place.sequence > other.sequence;
}

/** @throws TypeError unless the page has what its query asks for, so that the pages end */
export function checkDuePage(page: DuePage, { after, upTo, limit }: DueQuery): DuePage {
  const { orders, next } = page;
  let last = after;
  for (const order of orders) {
    const place = placeOf(order);
    if (!Number.isSafeInteger(place.notBefore) || !isBehind(place, last)) throw wrongPage(order);
    last = place;
  }
  const isShort = orders.length <= limit && last.notBefore <= Math.max(upTo, after.notBefore);
  const isNext = next === undefined || (Number.isSafeInteger(next) && next >= last.notBefore);
  if (isShort && isNext) return page;
  throw wrongPage(page);
}

function wrongPage(got: unknown): TypeError {
  return new TypeError(
    `Expected the storage's \`due\` to give due orders by their places, got \`${show(got)}\``,
  );
}
