import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  ProgressedStep,
  RetriedStep,
  StalledOrder,
  SteppedOrder,
} from '../../core/lifecycle/processor-events.ts';
import type {
  ProgressedStepSchema,
  RetriedStepSchema,
  StalledOrderSchema,
  SteppedOrderSchema,
} from '../gen/orderprocessor/v1/orders_pb.js';
import { progressOf, stepOf } from './messages.ts';
import { durationOf } from './wire.ts';

export function steppedMessage(stepped: SteppedOrder): MessageInitShape<typeof SteppedOrderSchema> {
  const { orderId, userId, labels, step } = stepped;
  return { orderId, userId, labels: [...labels], step: stepOf(step) };
}

export function retriedMessage(
  retried: Omit<RetriedStep, 'cause'>,
): MessageInitShape<typeof RetriedStepSchema> {
  const { delayMs, labels, ...rest } = retried;
  return { ...rest, labels: [...labels], delay: durationOf(delayMs) };
}

export function stalledMessage(stalled: StalledOrder): MessageInitShape<typeof StalledOrderSchema> {
  const { runningMs, labels, steps, ...rest } = stalled;
  return { ...rest, labels: [...labels], steps: [...steps], running: durationOf(runningMs) };
}

export function progressedMessage(
  progressed: ProgressedStep,
): MessageInitShape<typeof ProgressedStepSchema> {
  const { orderId, userId, labels } = progressed;
  return { orderId, userId, labels: [...labels], progress: progressOf(progressed) };
}
