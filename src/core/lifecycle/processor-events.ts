import type { OrderError } from '../order/order-error.ts';
import type { OrderRecord, Receipt } from '../order/outcome.ts';
import type { StepProgress, StepResult, StepValues } from '../order/step-result.ts';
import type { Hold, ReleasedLane } from '../storage/holds/hold.ts';
import type { ShutdownSummary } from './shutdown-summary.ts';

/**
 * Something happened to an order.
 *
 * @category Events and numbers
 */
export interface OrderEvent {
  /** The order's id. */
  readonly orderId: string;
  /** Whose order it is. */
  readonly userId: string;
  /** What rules said of the order. */
  readonly labels: readonly string[];
}

/**
 * An order that holds its user, whose other orders wait, for longer than it should.
 *
 * @category Events and numbers
 */
export interface StalledOrder extends OrderEvent {
  /** For how long its steps have run, in milliseconds. */
  readonly runningMs: number;
  /** The names of the steps that have not ended. */
  readonly steps: readonly string[];
}

/**
 * One step of an order has ended.
 *
 * @category Events and numbers
 */
export interface SteppedOrder extends OrderEvent {
  /** How the step ended. */
  readonly step: StepResult;
}

/**
 * A step of an order, or its compensation, has said how far it is.
 *
 * @category Events and numbers
 */
export interface ProgressedStep extends OrderEvent, StepProgress {}

/**
 * An attempt at a step failed, and there will be another.
 *
 * @category Events and numbers
 */
export interface RetriedStep extends OrderEvent {
  /** The step's name. */
  readonly step: string;
  /** Whether it was the step's compensation that failed, and not the step. */
  readonly isCompensation: boolean;
  /** Which attempt failed, from 1 up. */
  readonly attempt: number;
  /** After what pause the next one begins, in milliseconds, if a worker is free then. */
  readonly delayMs: number;
  /** Why it failed: the error's own code, `'timeout'` or `'internal'`. */
  readonly code: string;
  /** The same for people. */
  readonly message: string;
  /** What was thrown, if anything. */
  readonly cause: unknown;
}

/**
 * One call that took orders into the storage, or their outcomes, has ended.
 *
 * @category Events and numbers
 */
export interface StoredBatch {
  /**
   * `'accept'`: orders were to be kept. `'settle'`: outcomes and balances were to be recorded; for a {@link
   * BalanceStorage} this is its `apply`. `'remember'`: what steps returned was to be kept.
   */
  readonly operation: 'accept' | 'settle' | 'remember';
  /** How many orders were in the call. */
  readonly size: number;
  /** How long it took, in milliseconds and fractions of one. */
  readonly durationMs: number;
  /** Whether it threw, rejected or answered nonsense. */
  readonly isFailed: boolean;
}

/**
 * What listeners get. If a listener throws or rejects, the others are still called, and what it threw comes as an
 * `error` event with the code `internal`.
 *
 * @typeParam Payload - the payload's type
 * @typeParam Results - what the steps return, by name
 *
 * @category Events and numbers
 */
export interface ProcessorEvents<Payload = unknown, Results = StepValues> {
  /** An order was accepted. */
  accepted: OrderRecord<Payload, Results>;
  /** An order was refused; its code says why. */
  refused: OrderError;
  /** The processing of an order began. */
  started: OrderRecord<Payload, Results>;
  /** A step of an order, or its compensation, said how far it is; see {@link StepContext.progress}. */
  progress: ProgressedStep;
  /**
   * One step of an order ended, or its compensation did. A compensation whose time was up has failed; if it succeeds after
   * all, the event comes once more.
   */
  stepped: SteppedOrder;
  /** An attempt at a step, or at its compensation, failed, and there will be another. */
  retried: RetriedStep;
  /** An order completed. The receipt is the object that its caller gets: do not write to it. */
  completed: Receipt<Payload, Results>;
  /** An order failed; its code says why. */
  failed: OrderError;
  /** An order was canceled. */
  canceled: OrderError;
  /** An order holds its user for longer than it should. Once per order. */
  stalled: StalledOrder;
  /** A user's lane is held: none of the user's orders begins before it is released. */
  held: Hold;
  /** A lane that was held goes on. */
  released: ReleasedLane;
  /** The storage fails or does not answer: new orders are refused, and none begins; see `ProcessorStats.storage`. */
  interrupted: OrderError;
  /** The storage works again. */
  restored: undefined;
  /**
   * A call of the storage ended; raised just before the callers of its orders are notified. Never raised for a plain
   * {@link MemoryStorage}, which takes each order by itself, without a call.
   */
  stored: StoredBatch;
  /** Nothing accepted is left unsettled, but what waits in held lanes. */
  idle: undefined;
  /** `shutdown` is done. */
  shutdown: ShutdownSummary;
  /**
   * Something failed that is not one order's outcome: a listener, a call of the storage, a
   * compensation (`compensation_failed`, with the order's id), a `retryIf`; or the storage has not
   * answered for `stalledAfterMs`.
   */
  error: OrderError;
}

/**
 * The name of an event.
 *
 * @category Events and numbers
 */
export type EventName = keyof ProcessorEvents;

/** The names of all events. */
export const eventNames: readonly string[] = [
  'accepted',
  'refused',
  'started',
  'progress',
  'stepped',
  'retried',
  'completed',
  'failed',
  'canceled',
  'stalled',
  'held',
  'released',
  'interrupted',
  'restored',
  'stored',
  'idle',
  'shutdown',
  'error',
] satisfies EventName[];
