import { noneRemembered } from '../../core/order/step-result.ts';
import type { NewOrder, StoredOrder } from '../../core/order/stored-order.ts';
import { acceptedRecord } from '../../core/storage/reading/accepted-record.ts';

/** An order that was kept just now, as it would be read. */
export function acceptedOrder(order: NewOrder, sequence: number): StoredOrder {
  return {
    ...acceptedRecord(order, sequence),
    cause: undefined,
    attempt: 1,
    remembered: noneRemembered,
    decided: undefined,
  };
}
