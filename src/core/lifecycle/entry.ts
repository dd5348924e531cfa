import type { OrderRecord, UnfulfilledOutcome } from '../order/outcome.ts';
import type { DecidedOutcome } from '../order/stored-order.ts';

/** The state of an order that a storage keeps. */
export interface Entry {
  /** How many times it may have begun, this time included. */
  readonly attempt: number;
  /** The outcome that an earlier process has noted; its callers may have been notified. */
  readonly decided: DecidedOutcome | undefined;
  /**
   * It was canceled while it waited. Its steps may have begun before a restart, so they are compensated when its turn
   * comes.
   */
  canceled: DecidedOutcome | undefined;
  /** The outcome that this process has noted. */
  told: UnfulfilledOutcome | undefined;
  /** The storage has noted its outcome, in this process. */
  isNoted: boolean;
  /** Is notified when it is kept. */
  waiters: Waiter[] | undefined;
}

export interface Waiter {
  readonly resolve: (record: OrderRecord) => void;
  readonly reject: (error: unknown) => void;
}

export function entryOf(attempt: number, decided?: DecidedOutcome): Entry {
  return {
    attempt,
    decided,
    canceled: undefined,
    told: undefined,
    isNoted: false,
    waiters: undefined,
  };
}
