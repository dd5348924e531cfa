import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Hold, ReleasedLane } from '../../core/storage/holds/hold.ts';
import type { HoldSchema, ReleasedLaneSchema } from '../gen/orderprocessor/v1/orders_pb.js';
import { timeOf } from './wire.ts';

export function holdMessage(hold: Hold): MessageInitShape<typeof HoldSchema> {
  const { userId, reason, heldAt, orderId, code, message } = hold;
  return { userId, reason, heldAt: timeOf(heldAt), orderId, code, message };
}

export function releasedMessage(
  released: ReleasedLane,
): MessageInitShape<typeof ReleasedLaneSchema> {
  return { hold: holdMessage(released), releasedAt: timeOf(released.releasedAt) };
}
