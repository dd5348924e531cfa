import { checkSchema, type StandardSchema } from './admission/payload-schema.ts';
import { type Rule, readRules } from './admission/rules.ts';
import type { StepValues } from './order/step-result.ts';
import { type Rate, readRate } from './processing/timing/rate.ts';
import { checkInteger, checkMethods, checkOptions, checkTimeout, wrong } from './runtime/checks.ts';
import type { TypedSteps } from './steps/in-order.ts';
import { readRetry } from './steps/limits/retry.ts';
import type { OnFailure, RetryOptions, StepOf } from './steps/step.ts';
import { checkOnFailure, readSteps, type StepPlan } from './steps/step-plan.ts';
import type { BalanceStorage } from './storage/balance-storage.ts';

/**
 * The options of an {@link OrderProcessor}.
 *
 * @typeParam Payload - the payload's type, as steps, rules, events and receipts see it
 * @typeParam Input - the payload's type as callers hand it in; another one only where a `schema` makes it so
 * @typeParam Results - what the steps return, by name
 *
 * @example
 * ```ts
 * import { maxAmount, OrderProcessor } from 'order-processor';
 *
 * await using processor = new OrderProcessor({
 *   concurrency: 32,
 *   minBalance: 0,
 *   rules: [maxAmount(100_000)],
 *   steps: [{ name: 'ship', run: () => 'parcel-1', timeoutMs: 5_000 }],
 * });
 * await processor.submit({ userId: 'ann', amount: 500 });
 * ```
 *
 * @category Processor
 */
export interface OrderProcessorOptions<Payload = unknown, Input = Payload, Results = StepValues> {
  /**
   * Where balances are kept, and orders too if it is an {@link OrderStorage}. A new {@link MemoryStorage}
   * by default.
   */
  readonly storage?: BalanceStorage | undefined;
  /** How many orders may be processed at once, each of another user. An integer from 1 up, 16 by default. */
  readonly concurrency?: number | undefined;
  /** How many orders may be accepted and unsettled. An integer from 1 up, 10 000 by default. */
  readonly capacity?: number | undefined;
  /** The same for each user alone. An integer from 1 up, no bound of its own by default. */
  readonly capacityPerUser?: number | undefined;
  /**
   * What happens to an order for which there is no room: `'reject'` (the default) refuses it at once
   * with `queue_full`; `'wait'` makes its caller wait: a user's first come, first served, and users in turn,
   * urgent ones first.
   */
  readonly overflow?: 'reject' | 'wait' | undefined;
  /**
   * How often orders of one user may begin: at most `limit` within any `intervalMs`, also over restarts where the
   * storage keeps orders; an order that a process left unsettled counts when it begins again. Later orders of the user wait, those of others do not. No bound by default.
   */
  readonly rate?: Rate | undefined;
  /**
   * The least balance that a debit may leave, a safe integer in minor units; a debit that would leave less fails with
   * `insufficient_funds`, before its steps run if that is certain by then. No bound by default.
   */
  readonly minBalance?: number | undefined;
  /**
   * How long the steps of an order may take, in milliseconds from the beginning of its processing: an
   * integer from 1 to 2 147 483 647. No limit by default.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * How long the processor waits for what it cannot end, in milliseconds: an integer from 1 to 2 147 483 647, 30 000 by
   * default. An order that holds its user for longer raises `stalled`. The time counts from the abort of its signal or,
   * without `timeoutMs`, from its beginning or the end of its last pause between attempts; pauses do not count. A
   * storage that does not answer for longer raises `error`. An attempt at a step that goes on for longer after its time
   * was up fails the order, even if attempts are left. A compensation without a limit of its own is given up after this
   * time.
   */
  readonly stalledAfterMs?: number | undefined;
  /**
   * Checks each order's payload before the order is accepted, and may change it. What does not fit is
   * refused with `invalid_order`. Any {@link StandardSchema}; none by default.
   */
  readonly schema?: StandardSchema<Input, Payload> | undefined;
  /** Refuse orders, or make them more or less urgent, before they are accepted. None by default. */
  readonly rules?: readonly Rule<Payload>[] | undefined;
  /**
   * What is done for each order before its balance changes, at most 100 steps; without steps only the
   * balance changes.
   */
  readonly steps?:
    | readonly StepOf<Payload, NoInfer<Results>>[]
    | TypedSteps<Payload, Results>
    | undefined;
  /** How often a step without a `retry` of its own is tried. Once by default. */
  readonly retry?: RetryOptions | undefined;
  /**
   * What becomes of an order that a step without an `onFailure` of its own fails for good, or whose time is up:
   * `'continue'` (the default) settles it as failed; `'hold'` has it hold its user's lane, see {@link Step.onFailure}.
   * An order whose amount is refused (`insufficient_funds`, `balance_overflow`) is always settled as failed: the credit
   * that would help waits behind it. So is an order that is canceled.
   */
  readonly onFailure?: OnFailure | undefined;
}

/** The options with their defaults, checked. */
export interface Settings {
  readonly storage: BalanceStorage | undefined;
  readonly concurrency: number;
  readonly capacity: number;
  readonly capacityPerUser: number;
  readonly overflow: 'reject' | 'wait';
  readonly rate: Rate | undefined;
  readonly minBalance: number | undefined;
  readonly timeoutMs: number | undefined;
  readonly stalledAfterMs: number;
  readonly schema: StandardSchema | undefined;
  readonly rules: readonly Rule[];
  readonly plan: StepPlan;
}

const optionNames = [
  'storage',
  'concurrency',
  'capacity',
  'capacityPerUser',
  'overflow',
  'rate',
  'minBalance',
  'timeoutMs',
  'stalledAfterMs',
  'schema',
  'rules',
  'steps',
  'retry',
  'onFailure',
];

export function readOptions<Payload, Input, Results>(
  options: OrderProcessorOptions<Payload, Input, Results>,
): Settings {
  checkOptions('OrderProcessor', options, optionNames);
  const { storage, minBalance, timeoutMs, schema, rules = [], steps = [] } = options;
  const { concurrency = 16, capacity = 10_000, overflow = 'reject' } = options;
  const { onFailure = 'continue' } = options;
  const { capacityPerUser = Number.MAX_SAFE_INTEGER, stalledAfterMs = 30_000 } = options;
  if (storage !== undefined) checkMethods('storage', storage, ['get', 'apply']);
  checkInteger('concurrency', concurrency, 1);
  checkInteger('capacity', capacity, 1);
  checkInteger('capacityPerUser', capacityPerUser, 1);
  if (overflow !== 'reject' && overflow !== 'wait') {
    throw wrong(RangeError, 'overflow', "'reject' or 'wait'", overflow);
  }
  if (minBalance !== undefined) checkInteger('minBalance', minBalance, Number.MIN_SAFE_INTEGER);
  if (timeoutMs !== undefined) checkTimeout('timeoutMs', timeoutMs);
  checkTimeout('stalledAfterMs', stalledAfterMs);
  checkOnFailure('onFailure', onFailure);
  if (schema !== undefined) checkSchema(schema);
  const retry = options.retry === undefined ? undefined : readRetry('retry', options.retry);
  return {
    storage,
    concurrency,
    capacity,
    capacityPerUser,
    overflow,
    rate: options.rate === undefined ? undefined : readRate(options.rate),
    minBalance,
    timeoutMs,
    stalledAfterMs,
    schema,
    rules: readRules(rules),
    plan: readSteps(steps, { timeoutMs, stalledAfterMs, retry, onFailure }),
  };
}
