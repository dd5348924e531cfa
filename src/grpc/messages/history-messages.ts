import type { MessageInitShape } from '@bufbuild/protobuf';
import type { MovementPage, SettledOutcome } from '../../core/queries/history-query.ts';
import type {
  ListMovementsResponseSchema,
  WatchOutcomesResponseSchema,
} from '../gen/orderprocessor/v1/orders_pb.js';
import { fittingRecord } from './pages.ts';
import { timeOf } from './wire.ts';

export function movementsMessage({
  movements,
  cursor = '',
}: MovementPage): MessageInitShape<typeof ListMovementsResponseSchema> {
  return {
    movements: movements.map(({ orderId, userId, amount, balance, settledAt, sequence }) => ({
      orderId,
      userId,
      amount: BigInt(amount),
      balance: BigInt(balance),
      settledAt: timeOf(settledAt),
      sequence: BigInt(sequence),
    })),
    nextPageToken: cursor,
  };
}

export function settledMessage({
  cursor,
  sequence,
  order,
}: SettledOutcome): MessageInitShape<typeof WatchOutcomesResponseSchema> {
  return { cursor, sequence: BigInt(sequence), record: fittingRecord(order) };
}
