import type { Time } from './session.ts';

/** A held lane. */
export interface LaneView {
  readonly userId: string;
  readonly heldAt: Time;
  /** Held by hand: why, perhaps empty. Absent if a failed order alone holds it. */
  readonly reason?: string;
  /** The failed order that holds it. A release needs `then` if there is one. */
  readonly orderId?: string;
  readonly code?: string;
  readonly message?: string;
  /** The error behind it. */
  readonly cause?: CauseView;
  /** Steps of that order that were compensated. */
  readonly compensated?: readonly string[];
}

export interface CauseView {
  readonly name: string;
  readonly message: string;
}

export interface LanePage {
  readonly lanes: readonly LaneView[];
  readonly cursor?: string;
}

/** What needs attention. Failures, stalled orders and errors are of this process, since it began. */
export interface AttentionView {
  readonly now: Time;
  readonly storage: StorageView;
  readonly isPaused: boolean;
  readonly heldLanes: number;
  readonly heldOrders: number;
  /** The first lanes; `api/lanes` has all. */
  readonly lanes: readonly LaneView[];
  /** The greatest count first. */
  readonly failures: readonly FailureView[];
  readonly stalledOrders: number;
  readonly stalled: readonly StalledView[];
  /** What failed beside orders, the last first: compensations, listeners, the storage. */
  readonly errors: readonly ErrorView[];
  /** Partitions that no processor owns. */
  readonly freePartitions?: number;
}

export interface StorageView {
  readonly state: 'ready' | 'recovering' | 'failing';
  /** With `failing`: since when, and why, as far as that is known. */
  readonly since?: Time;
  readonly code?: string;
  readonly message?: string;
}

/** Orders that failed with one code in the last hour; `other` for codes beyond the first 100. */
export interface FailureView {
  readonly code: string;
  readonly count: number;
  /** By minute, the oldest first: 60 numbers. */
  readonly byMinute: readonly number[];
  readonly last: {
    readonly at: Time;
    readonly orderId: string;
    readonly userId: string;
    readonly message: string;
  };
}

export interface StalledView {
  readonly orderId: string;
  readonly userId: string;
  readonly startedAt: Time;
  /** The steps that have not ended. */
  readonly steps: readonly string[];
}

export interface ErrorView {
  readonly at: Time;
  readonly code: string;
  readonly message: string;
  readonly orderId?: string;
  readonly userId?: string;
}
