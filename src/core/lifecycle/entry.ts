import type { Decision } from '../order/decision.ts';
import type { OrderOutcome, OrderRecord, UnfulfilledOutcome } from '../order/outcome.ts';
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
  notified: UnfulfilledOutcome | undefined;
  /** The storage has noted its outcome, in this process. */
  isNoted: boolean;
  /** Is notified when it is kept. */
  waiters: Waiter[] | undefined;
}

/** Follows an order for a caller. */
export interface Follower {
  /**
   * Takes the outcome of the order.
   *
   * @param isSettled - false if the outcome is certain, and is not recorded yet
   * @returns `false` if the follower waits until it is recorded
   */
  notify(outcome: OrderOutcome, isSettled: boolean): unknown;
}

export interface Waiter {
  readonly resolve: (record: OrderRecord) => void;
  readonly reject: (error: unknown) => void;
}

export function entryOf(attempt: number, decided?: DecidedOutcome): Entry {
  return {
    // An order that is decided has begun, also where its partition was handed over since.
    attempt: decided === undefined ? attempt : Math.max(attempt, 2),
    decided,
    canceled: undefined,
    notified: undefined,
    isNoted: false,
    waiters: undefined,
  };
}

/** How an order is settled that holds its lane, unless it is tried again. */
export interface Failure {
  readonly decision: Decision;
  /** On the processor's clock; `undefined` if it began in an earlier process. */
  readonly startedAt: number | undefined;
}

/** The state of an order that may hold its lane, or is tried again after that. */
export interface Tries {
  /** It is decided that it fails and holds its lane. */
  mayHold: boolean;
  /** Set while it holds its lane, if it failed in this process. */
  held: Failure | undefined;
  /** How it had failed before its last release, in this process: what its steps came to, if it does not begin again. */
  before: Failure | undefined;
  /** How often it was tried before its last release, in this process. */
  readonly attempts: number;
  /** How often each of its steps was compensated before that, by name. */
  readonly compensations: Readonly<Record<string, number>>;
}

/** It is decided that an order fails and holds its lane. */
export function willHold(tries: Tries | undefined): Tries {
  return { ...(tries ?? triesOf()), mayHold: true };
}

export function triesOf(compensations: Tries['compensations'] = {}, attempts = 0): Tries {
  return { mayHold: false, held: undefined, before: undefined, attempts, compensations };
}
