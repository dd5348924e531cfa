import type { Amount, Time } from './session.ts';

export type Status = 'pending' | 'processing' | 'completed' | 'failed' | 'canceled';

/** An order in a list. */
export interface OrderSummary {
  readonly id: string;
  readonly userId: string;
  readonly status: Status;
  /** What was added, or is to be added. */
  readonly amount: Amount;
  readonly priority: 'high' | 'medium' | 'low';
  readonly labels: readonly string[];
  readonly acceptedAt: Time;
  readonly startedAt?: Time;
  readonly settledAt?: Time;
  readonly notBefore?: Time;
  readonly expiresAt?: Time;
  /** Why it failed or was canceled. */
  readonly code?: string;
  readonly message?: string;
  /** With `code`: whether trying again may help. */
  readonly isRetryable?: boolean;
  readonly retryOf?: string;
  readonly retriedAs?: string;
  /** Of a running order: how far a step is, from 0 to 1. */
  readonly progress?: { readonly step: string; readonly fraction: number; readonly label?: string };
}

/** Which orders; fields that are absent do not matter. `code` and `label` are compared whole. */
export interface OrderFilter {
  readonly status?: Status;
  readonly userId?: string;
  readonly code?: string;
  readonly label?: string;
  readonly acceptedFrom?: Time;
  readonly acceptedBefore?: Time;
}

/** The order accepted last first. A page may have few orders, or none, and still a cursor: then the search goes on with it. */
export interface OrderListPage {
  readonly orders: readonly OrderSummary[];
  /** The next page, if there is one. */
  readonly cursor?: string;
  /** Down to which time of acceptance orders were looked at, if there is a cursor. */
  readonly searchedTo?: Time;
}

/** What has exactly this id. */
export interface SearchView {
  readonly order?: OrderSummary;
  readonly user?: { readonly userId: string; readonly balance?: Amount };
}
