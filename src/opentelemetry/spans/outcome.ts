import { type Attributes, type Span, SpanStatusCode } from '@opentelemetry/api';
import type { AcceptedOrder } from '../../core/order/order.ts';
import { messageOf } from '../../core/runtime/thrown.ts';
import { attribute, otherError, ownAttribute } from '../conventions.ts';
import type { SpanSettings } from './span-settings.ts';

/** Payloads of more characters are cut off. */
const mostCharacters = 4_096;

/** What the id of an order begins with that a client with certain users has handed in: `~u-1~`. */
const userPrefix = /^~[^~]+~(?=.)/s;

/** The id of an order as a span says it: without the user in it, as its client has it, unless the options allow that. */
export function messageIdOf(orderId: string, { userIds }: SpanSettings): string {
  return userIds || !orderId.startsWith('~') ? orderId : orderId.replace(userPrefix, '');
}

/** What a span says of its order: what the options allow, and nothing else. */
export function orderAttributes(order: AcceptedOrder, settings: SpanSettings): Attributes {
  const attributes: Attributes = { [attribute.messageId]: messageIdOf(order.id, settings) };
  if (order.priority !== 'medium') attributes[ownAttribute.orderPriority] = order.priority;
  if (order.labels.length > 0) attributes[ownAttribute.orderLabels] = [...order.labels];
  if (settings.userIds) attributes[attribute.userId] = order.userId;
  if (settings.amounts) attributes[ownAttribute.orderAmount] = order.amount;
  if (settings.payloads) {
    const text = payloadText(order.payload);
    if (text !== undefined) attributes[ownAttribute.orderPayload] = text;
  }
  return attributes;
}

/** Ends a span in whose operation something failed. */
export function setError(
  span: Span,
  code: string | undefined,
  error: unknown,
  { errorMessages }: SpanSettings,
): void {
  span.setAttribute(attribute.errorType, code ?? otherError);
  const message = errorMessages ? messageOf(error, '') : '';
  span.setStatus({ code: SpanStatusCode.ERROR, ...(message !== '' && { message }) });
}

function payloadText(payload: unknown): string | undefined {
  try {
    return JSON.stringify(payload)?.slice(0, mostCharacters);
  } catch {
    // No JSON: a circle, or a `BigInt`.
    return undefined;
  }
}
