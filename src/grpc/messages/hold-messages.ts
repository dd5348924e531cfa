import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Hold, ReleasedLane } from '../../core/storage/holds/hold.ts';
import {
  type HoldSchema,
  ReleaseAction,
  type ReleasedLaneSchema,
} from '../gen/orderprocessor/v1/orders_pb.js';
import { timeOf } from './wire.ts';

const actions = { retry: ReleaseAction.RETRY, skip: ReleaseAction.SKIP } as const;

export function holdMessage(hold: Hold): MessageInitShape<typeof HoldSchema> {
  const { userId, reason, heldAt, orderId, code, message, cause, compensated = [] } = hold;
  return {
    userId,
    reason,
    heldAt: timeOf(heldAt),
    orderId,
    code,
    message,
    cause,
    compensated: [...compensated],
  };
}

export function releasedMessage(
  released: ReleasedLane,
): MessageInitShape<typeof ReleasedLaneSchema> {
  const { releasedAt, action } = released;
  return {
    hold: holdMessage(released),
    releasedAt: timeOf(releasedAt),
    action: action === undefined ? ReleaseAction.UNSPECIFIED : actions[action],
  };
}
