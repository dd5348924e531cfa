import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { OrderRecord } from '../../core/order/outcome.ts';
import type { OrderProcessor } from '../../core/order-processor.ts';
import type { OrderQuery } from '../../core/queries/order-query.ts';
import { sizeOf } from '../../core/runtime/size-of.ts';
import type { ClientIds } from '../../server/client-ids.ts';
import {
  type ListOrdersResponseSchema,
  OrderRecordSchema,
} from '../gen/orderprocessor/v1/orders_pb.js';
import { recordMessage } from './messages.ts';

type Page = MessageInitShape<typeof ListOrdersResponseSchema>;
type RecordMessage = MessageInitShape<typeof OrderRecordSchema>;

/** Most clients accept messages of up to 4 MiB. */
const mostBytes = 3 * 2 ** 20;

/** A page of so many bytes need not be measured: no payload becomes so much longer as a message. */
const surelyFits = 2 ** 18;

/** How many bytes a record takes in a page beside its own. */
const recordOverhead = 10;

/** A page of orders that every client can read. */
export async function pageMessage(
  processor: OrderProcessor,
  query: OrderQuery,
  ids: ClientIds,
): Promise<Page> {
  const toMessage = (record: OrderRecord): RecordMessage => recordMessage(ids.record(record));
  let { orders, cursor } = await processor.orders(query);
  let records = orders.map(toMessage);
  let count = fittingCount(orders, records);
  // Listed again with a smaller limit, since only the processor makes cursors.
  while (count < orders.length && orders.length > 1) {
    ({ orders, cursor } = await processor.orders({ ...query, limit: Math.max(1, count) }));
    records = orders.map(toMessage);
    count = fittingCount(orders, records);
  }
  const [first] = records;
  // Without its payload: otherwise later orders could not be listed.
  if (count === 0 && first !== undefined) records = [{ ...first, payload: undefined }];
  return { records, nextPageToken: cursor ?? '' };
}

/** How many of the records fit into one page. */
function fittingCount(orders: readonly OrderRecord[], records: readonly RecordMessage[]): number {
  if (sizeOf(orders, surelyFits) < surelyFits) return records.length;
  let bytes = 0;
  const after = records.findIndex((record) => {
    bytes += toBinary(OrderRecordSchema, create(OrderRecordSchema, record)).length + recordOverhead;
    return bytes > mostBytes;
  });
  return after === -1 ? records.length : after;
}
