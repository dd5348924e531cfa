import type { StoredOrder } from '../core/order/stored-order.ts';
import type { OpenFile } from './open-file.ts';
import { readPage } from './thread/codec.ts';
import type { TakeUnreadable } from './thread/read-orders.ts';

/** How many unsettled orders a page has at most. */
const PAGE = 500;

/** All unsettled orders of a file in the order of their acceptance, in pages. */
export async function* unsettledPages(
  file: OpenFile,
  takeUnreadable: TakeUnreadable,
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
      },
      (reader) => readPage(reader, takeUnreadable),
    );
    after = page.after;
    upTo = page.upTo;
    yield page.orders;
  }
}
