/**
 * Process a stream of orders one at a time per user and in parallel across users, with every user's
 * balance exactly right. Start at {@link OrderProcessor}.
 *
 * @module order-processor
 */

export type {
  EnqueueOptions,
  OutcomeOptions,
  RetryOrderOptions,
  SubmitOptions,
} from './core/admission/caller-options.ts';
export type {
  StandardSchema,
  StandardSchemaIssue,
  StandardSchemaPathSegment,
  StandardSchemaResult,
  StandardSchemaTypes,
} from './core/admission/payload-schema.ts';
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
} from './core/admission/rules.ts';
export type {
  EventName,
  OrderEvent,
  ProcessorEvents,
  ProgressedStep,
  RetriedStep,
  StalledOrder,
  SteppedOrder,
  StoredBatch,
} from './core/lifecycle/processor-events.ts';
export type { ShutdownSummary } from './core/lifecycle/shutdown-summary.ts';
export type { Percentiles, ProcessorStats } from './core/lifecycle/stats.ts';
export type { OrderProcessorOptions } from './core/options.ts';
export type {
  AcceptedOrder,
  FinalPosting,
  Order,
  OrderFields,
  Posting,
  Priority,
} from './core/order/order.ts';
export {
  isOrderError,
  OrderError,
  type OrderErrorCode,
  type OrderErrorFacts,
  type OrderIssue,
} from './core/order/order-error.ts';
export type {
  AppliedPosting,
  OrderOutcome,
  OrderRecord,
  OrderStatus,
  Receipt,
  UnfulfilledOutcome,
} from './core/order/outcome.ts';
export type {
  CompensationResult,
  OrderCause,
  RememberedStep,
  StepProgress,
  StepResult,
  StepValues,
} from './core/order/step-result.ts';
export type { DecidedOutcome, NewOrder, StoredOrder } from './core/order/stored-order.ts';
export type { TraceContext } from './core/order/trace/trace-context.ts';
export { OrderProcessor } from './core/order-processor.ts';
export type { HoldOptions } from './core/processing/holds/hold-options.ts';
export type { ReleaseOptions } from './core/processing/holds/release-options.ts';
export type { RunningOrder, RunningStep } from './core/processing/now/running-order.ts';
export type { RunningQuery } from './core/processing/now/running-orders.ts';
export type { WaitingOptions } from './core/processing/now/waiting-orders.ts';
export type { Rate } from './core/processing/timing/rate.ts';
export type {
  MovementPage,
  MovementQuery,
  OutcomesOptions,
  SettledOutcome,
} from './core/queries/history-query.ts';
export type { HoldPage, HoldQuery } from './core/queries/hold-query.ts';
export type { OrderPage, OrderQuery } from './core/queries/order-query.ts';
export type { Awaitable } from './core/runtime/awaitable.ts';
export type { ShutdownOptions } from './core/shutdown.ts';
export type {
  AttemptContext,
  CompensationContext,
  CompensationContextBase,
  FinalAmountOptions,
  StepContext,
} from './core/steps/contexts.ts';
export { inOrder, type ResultsOf, type TypedSteps } from './core/steps/in-order.ts';
export { type ConditionalStep, onlyWhen } from './core/steps/only-when.ts';
export type {
  CompensationOptions,
  OnFailure,
  RetryOptions,
  Step,
  StepOf,
} from './core/steps/step.ts';
export type {
  BalanceChange,
  BalanceCredit,
  BalanceResult,
  BalanceStorage,
  StorageSizes,
} from './core/storage/balance-storage.ts';
export type { DuePage, DuePlace, DueQuery } from './core/storage/due/due-orders.ts';
export type {
  HistoryStorage,
  Movement,
  PastBalance,
  SettledPage,
  SettledQuery,
  StoredBalance,
  StoredBalanceQuery,
  StoredMovementPage,
  StoredMovementQuery,
} from './core/storage/history/history-storage.ts';
export type { HeldFailure } from './core/storage/holds/held-failure.ts';
export type {
  Hold,
  HoldStorage,
  ReleasedLane,
  RetriedOrder,
  StoredHold,
  StoredHoldQuery,
} from './core/storage/holds/hold.ts';
export type { LaneSettlement } from './core/storage/holds/lane-settlement.ts';
export type { StoredOrderPage, StoredOrderQuery } from './core/storage/lists/stored-order-page.ts';
export type { MemoryStorageOptions } from './core/storage/memory/memory-options.ts';
export { MemoryStorage } from './core/storage/memory/memory-storage.ts';
export type {
  AcceptResult,
  FailedResult,
  OrderStorage,
  RememberedOrder,
  RememberResult,
  Settlement,
  SettlementResult,
} from './core/storage/order-storage.ts';
export type {
  OrderTransaction,
  TransactionClient,
  TransactionResult,
  TransactionRows,
} from './core/storage/order-transaction.ts';
export type { FencedWrite } from './core/storage/requests/fenced-write.ts';
export type {
  KeptRequest,
  OwnerRequest,
  OwnerRequests,
} from './core/storage/requests/owner-requests.ts';
export type {
  ClusterProcessor,
  ClusterStats,
  OwnedPartition,
  SharedOrders,
  SharedPage,
  SharedStorage,
  SharedStorageListener,
} from './core/storage/shared-storage.ts';
export type {
  OrderMessage,
  SettleMessage,
  StepMessage,
  SubmitMessage,
  TracingMessage,
  TracingMessages,
} from './core/tracing/messages.ts';
