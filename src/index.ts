/**
 * Process a stream of orders one at a time per user and in parallel across users, with every user's
 * balance exactly right. Start at {@link OrderProcessor}.
 *
 * @module
 */

export type { Awaitable } from './awaitable.ts';
export {
  isOrderError,
  OrderError,
  type OrderErrorCode,
  type OrderErrorFacts,
  type OrderIssue,
} from './errors.ts';
export type {
  EventName,
  ProcessorEvents,
  RetriedStep,
  StalledOrder,
  SteppedOrder,
  StoredBatch,
} from './events.ts';
export type { OrderPage, OrderQuery } from './listing.ts';
export type { OrderProcessorOptions } from './options.ts';
export type { AcceptedOrder, Order, OrderFields, Priority } from './order.ts';
export {
  type EnqueueOptions,
  OrderProcessor,
  type OutcomeOptions,
  type SubmitOptions,
} from './order-processor.ts';
export type {
  CompensationResult,
  OrderCause,
  OrderOutcome,
  OrderRecord,
  OrderStatus,
  Receipt,
  StepResult,
  UnfulfilledOutcome,
} from './outcome.ts';
export {
  maxAmount,
  maxItems,
  minAmount,
  type PayloadWithItems,
  prioritize,
  type Rule,
  type RuleVerdict,
  refuse,
  urgentAbove,
} from './rules.ts';
export type {
  StandardSchema,
  StandardSchemaIssue,
  StandardSchemaPathSegment,
  StandardSchemaResult,
  StandardSchemaTypes,
} from './schema.ts';
export type { ShutdownOptions, ShutdownSummary } from './shutdown.ts';
export type { Percentiles, ProcessorStats } from './stats.ts';
export type {
  CompensationContext,
  CompensationContextBase,
  CompensationOptions,
  RetryOptions,
  Step,
  StepContext,
} from './step.ts';
export type {
  BalanceChange,
  BalanceResult,
  BalanceStorage,
  StorageSizes,
} from './storage/balance-storage.ts';
export { MemoryStorage, type MemoryStorageOptions } from './storage/memory.ts';
export type {
  AcceptResult,
  DecidedOutcome,
  FailedResult,
  NewOrder,
  OrderStorage,
  Settlement,
  SettlementResult,
  StoredOrder,
  StoredOrderPage,
  StoredOrderQuery,
} from './storage/order-storage.ts';
