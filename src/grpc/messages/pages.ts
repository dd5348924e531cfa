import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { OrderRecord } from '../../core/order/outcome.ts';
import type { OrderProcessor } from '../../core/order-processor.ts';
import type { HoldQuery } from '../../core/queries/hold-query.ts';
import type { OrderQuery } from '../../core/queries/order-query.ts';
import { sizeOf } from '../../core/runtime/size-of.ts';
import type { ClientIds } from '../../server/client-ids.ts';
import {
  HoldSchema,
  type ListHoldsResponseSchema,
  type ListOrdersResponseSchema,
  OrderRecordSchema,
} from '../gen/orderprocessor/v1/orders_pb.js';
import { holdMessage } from './hold-messages.ts';
import { recordMessage } from './messages.ts';

/** Most clients accept messages of up to 4 MiB. */
const mostBytes = 3 * 2 ** 20;

/** A page of so many bytes need not be measured: no payload becomes so much longer as a message. */
const surelyFits = 2 ** 18;

/** How many bytes an item takes in a page beside its own. */
const itemOverhead = 10;

/** A page of orders that every client can read. */
export async function pageMessage(
  processor: OrderProcessor,
  query: OrderQuery,
  ids: ClientIds,
): Promise<MessageInitShape<typeof ListOrdersResponseSchema>> {
  const { messages, isTooLong, cursor } = await fittingPage(
    async (limit) => {
      const { orders, cursor } = await processor.orders({ ...query, limit });
      return { items: orders, cursor };
    },
    query.limit,
    (record) => recordMessage(ids.record(record)),
    OrderRecordSchema,
  );
  const [first] = messages;
  // Without what may be long: otherwise later orders could not be listed.
  const records =
    isTooLong && first !== undefined ? [{ ...first, payload: undefined, results: {} }] : messages;
  return { records, nextPageToken: cursor ?? '' };
}

/** A page of holds that every client can read. */
export async function holdPageMessage(
  processor: OrderProcessor,
  query: HoldQuery,
): Promise<MessageInitShape<typeof ListHoldsResponseSchema>> {
  const { messages, cursor } = await fittingPage(
    async (limit) => {
      const { holds, cursor } = await processor.holds({ ...query, limit });
      return { items: holds, cursor };
    },
    query.limit,
    holdMessage,
    HoldSchema,
  );
  return { holds: messages, nextPageToken: cursor ?? '' };
}

/** A record that every client can read, without what may be long if it is too long. */
export function fittingRecord(record: OrderRecord): MessageInitShape<typeof OrderRecordSchema> {
  const message = recordMessage(record);
  const fits = fittingCount([record], [message], OrderRecordSchema) === 1;
  return fits ? message : { ...message, payload: undefined, results: {} };
}

interface Listed<T> {
  readonly items: readonly T[];
  readonly cursor: string | undefined;
}

interface FittingPage<M> {
  readonly messages: M[];
  /** Whether its one item alone is too long for a message. */
  readonly isTooLong: boolean;
  readonly cursor: string | undefined;
}

/** Lists again with a smaller limit if a page does not fit, since only the processor makes cursors. */
async function fittingPage<T, S extends DescMessage>(
  list: (limit: number | undefined) => Promise<Listed<T>>,
  limit: number | undefined,
  toMessage: (item: T) => MessageInitShape<S>,
  schema: S,
): Promise<FittingPage<MessageInitShape<S>>> {
  let { items, cursor } = await list(limit);
  let messages = items.map(toMessage);
  let count = fittingCount(items, messages, schema);
  while (count < items.length && items.length > 1) {
    ({ items, cursor } = await list(Math.max(1, count)));
    messages = items.map(toMessage);
    count = fittingCount(items, messages, schema);
  }
  return { messages, isTooLong: count < items.length, cursor };
}

/** How many of the items fit into one page. */
function fittingCount<S extends DescMessage>(
  items: readonly unknown[],
  messages: readonly MessageInitShape<S>[],
  schema: S,
): number {
  if (sizeOf(items, surelyFits) < surelyFits) return messages.length;
  let bytes = 0;
  const after = messages.findIndex((message) => {
    bytes += toBinary(schema, create(schema, message)).length + itemOverhead;
    return bytes > mostBytes;
  });
  return after === -1 ? messages.length : after;
}
