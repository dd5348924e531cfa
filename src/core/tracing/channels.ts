import { type TracingChannel, tracingChannel } from 'node:diagnostics_channel';
import type {
  OrderMessage,
  SettleMessage,
  StepMessage,
  SubmitMessage,
  TracingMessages,
} from './messages.ts';

const channel = <Message extends object>(
  name: keyof TracingMessages,
): TracingChannel<unknown, Message> => tracingChannel(name);

// Kept here: Node.js forgets a channel that is referenced by nothing.
export const submitChannel = channel<SubmitMessage>('order-processor:submit');
export const orderChannel = channel<OrderMessage>('order-processor:order');
export const stepChannel = channel<StepMessage>('order-processor:step');
export const settleChannel = channel<SettleMessage>('order-processor:settle');
