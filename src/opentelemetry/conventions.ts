/**
 * The names of the semantic conventions of OpenTelemetry that are used, in version 1.45.0. Those of messaging are in
 * development there: a newer version may rename them, and then the schema URL changes with them.
 */

export const schemaUrl = 'https://opentelemetry.io/schemas/1.45.0';

/** The name of the tracer and of the meter. */
export const scopeName = 'order-processor';

/** The version of this package; a test compares it with package.json. */
export const scopeVersion = '0.1.0';

export const systemName = 'order_processor';

/** Attributes of the conventions. */
export const attribute = {
  system: 'messaging.system.name',
  operationName: 'messaging.operation.name',
  operationType: 'messaging.operation.type',
  destination: 'messaging.destination.name',
  messageId: 'messaging.message.id',
  messageCount: 'messaging.batch.message_count',
  clientId: 'messaging.client.id',
  userId: 'user.id',
  errorType: 'error.type',
} as const;

/** Attributes of our own, which the conventions have no names for. */
export const ownAttribute = {
  method: 'order_processor.submit.method',
  submitStatus: 'order_processor.submit.status',
  orderStatus: 'order_processor.order.status',
  orderAttempt: 'order_processor.order.attempt',
  orderPriority: 'order_processor.order.priority',
  orderLabels: 'order_processor.order.labels',
  orderWaitMs: 'order_processor.order.wait_ms',
  orderAmount: 'order_processor.order.amount',
  orderPayload: 'order_processor.order.payload',
  stepName: 'order_processor.step.name',
  stepAttempt: 'order_processor.step.attempt',
  stepStatus: 'order_processor.step.status',
  isCompensation: 'order_processor.step.is_compensation',
  pauseMs: 'order_processor.step.pause_ms',
} as const;

/** The event of a span of an order: a step has failed, and is run again after a pause. */
export const pauseEvent = 'order_processor.step.pause';

/** Where an error has no code of its own, or one too many. */
export const otherError = '_OTHER';

/** The operations of the conventions that there are, and what they are called. */
export type OperationType = 'send' | 'process' | 'settle';

/** Metrics of the conventions. */
export const metric = {
  operationDuration: 'messaging.client.operation.duration',
  sentMessages: 'messaging.client.sent.messages',
  consumedMessages: 'messaging.client.consumed.messages',
  processDuration: 'messaging.process.duration',
} as const;

/** The buckets that the conventions ask for, in seconds. */
export const durationBuckets: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];
