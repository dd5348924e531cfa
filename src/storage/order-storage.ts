import type { Awaitable } from '../awaitable.ts';
import type { OrderError } from '../errors.ts';
import type { AcceptedOrder } from '../order.ts';
import type { OrderOutcome, OrderRecord, StepResult } from '../outcome.ts';
import type { BalanceStorage } from './balance-storage.ts';

/** When things happened to an order, in Unix milliseconds. */
export interface Times {
  readonly acceptedAt: number;
  /** `undefined` if its processing never began. */
  readonly startedAt: number | undefined;
  /** A storage that takes its time sets it when it is done. */
  settledAt: number;
}

/** What a settled order is, beside what became of it. */
export interface SettledFields extends AcceptedOrder {
  /** Of the id, where it is known already; else 0. */
  readonly hash: number;
  /** The payload as its caller handed it in. */
  readonly content: unknown;
}

/** An order with its outcome, on its way into the storage. */
export interface Settlement extends SettledFields {
  /** A completed order's amount is applied, which the storage may refuse: then it has failed. */
  readonly outcome: 'completed' | 'failed' | 'canceled';
  readonly error: OrderError | undefined;
  readonly steps: readonly StepResult[];
  readonly times: Times;
  /** A refusal is not the outcome yet, and not recorded: it comes again when it is one. */
  readonly isCompensable: boolean;
  /** Nor is it the outcome that the amount is applied: the steps are run then, and it comes again. */
  readonly isTrial?: boolean;
  readonly minBalance: number | undefined;
}

/**
 * The balance after a completed order, why the storage refused its change, or `undefined` for an
 * order that changes no balance. Not an object, since every order has one.
 */
export type SettleResult = number | Refusal | undefined;

/** Why the storage may refuse a completed order's change. */
export type Refusal = 'insufficient_funds' | 'balance_overflow';

/**
 * A storage that also keeps orders, so that one write holds the outcome and the balance. Internal
 * for now: the core sees every storage as one of these (see `remembering.ts`), and durable storages
 * will come as one.
 */
export type OrderStorage = DirectStorage | BatchStorage;

interface KeepsOrders extends Pick<BalanceStorage, 'get' | 'close'> {
  /** A settled order that is still remembered. */
  find(id: string): OrderRecord | undefined;
  /** The payload of one, as its caller handed it in. */
  contentOf(id: string): unknown;
  /** What became of its steps after it was settled, if it is still remembered. */
  amend(id: string, steps: readonly StepResult[]): void;
}

/**
 * Answers at once and never fails, so that an order needs no call that gathers others, and no object
 * to travel in. `change` and `remember` follow each other without anything between.
 */
export interface DirectStorage extends KeepsOrders {
  /** Applies a completed order's amount. */
  change(userId: string, amount: number, minBalance: number | undefined): number | Refusal;
  /** Records what became of an order. */
  remember(order: SettledFields, outcome: OrderOutcome, times: Times): void;
}

/** May take its time, and may fail. */
export interface BatchStorage extends KeepsOrders {
  /** Records outcomes and applies balances in the order given; index-aligned. */
  settle(settlements: readonly Settlement[]): Awaitable<readonly OrderOutcome[]>;
}
