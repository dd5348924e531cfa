import type { StoredOrder } from '../core/order/stored-order.ts';
import type { DuePage, DueQuery } from '../core/storage/due/due-orders.ts';
import type { TakeUnreadable } from '../core/storage/reading/unreadable-orders.ts';
import type { OpenFile } from './open-file.ts';
import { readPage } from './thread/codec.ts';
import { readOrders } from './thread/read-orders.ts';

/** How many unsettled orders a page has at most. */
const PAGE = 500;

/**
 * All unsettled orders of a file in the order of their acceptance, in pages.
 *
 * @param dueBy - without the orders whose `notBefore` is above this time
 */
export async function* unsettledPages(
  file: OpenFile,
  takeUnreadable: TakeUnreadable,
  dueBy = Number.POSITIVE_INFINITY,
): AsyncGenerator<readonly StoredOrder[], void, undefined> {
  let after: number | undefined = 0;
  let upTo: number | undefined;
  while (after !== undefined) {
    const from: number = after;
    const page = await file.read(
      'unsettled',
      (writer) => {
        writer.number(from);
        writer.number(upTo);
        writer.number(PAGE);
        writer.number(dueBy);
      },
      (reader) => readPage(reader, takeUnreadable),
    );
    after = page.after;
    upTo = page.upTo;
    yield page.orders;
  }
}

/** One page of the delayed orders of a file. */
export async function duePage(
  file: OpenFile,
  takeUnreadable: TakeUnreadable,
  query: DueQuery,
): Promise<DuePage> {
  let { after } = query;
  for (;;) {
    const { notBefore, sequence } = after;
    const page = await file.read(
      'due',
      (writer) => {
        for (const value of [notBefore, sequence, query.upTo, query.limit]) writer.number(value);
      },
      (reader) => ({
        orders: readOrders(reader, takeUnreadable),
        last: { notBefore: reader.number(), sequence: reader.number() },
        next: reader.maybeNumber() ?? undefined,
      }),
    );
    const { orders, next } = page;
    // Those of the page may all be unreadable.
    if (orders.length > 0 || next === undefined || next > query.upTo) return { orders, next };
    after = page.last;
  }
}

/** How many unsettled orders of a file have a `notBefore` above a time. */
export function delayedCount(file: OpenFile, after: number): Promise<number> {
  return file.read(
    'delayed',
    (writer) => writer.number(after),
    (reader) => reader.number(),
  );
}
