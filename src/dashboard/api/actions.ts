import type { OrderFilter, OrderSummary } from './orders.ts';
import type { Time } from './session.ts';

/**
 * Does something, for the role `operate`. A `POST` with `content-type: application/json`, from the page's own origin.
 * `orderIds` and `userIds` have from 1 to `mostTargets` ids, each once. What a filter matches is found by
 * {@link PreviewRequest} first: what was shown is what is done.
 */
export type ActionRequest =
  /** Cancels orders that have no outcome. */
  | { readonly action: 'cancel'; readonly orderIds: readonly string[] }
  /** Hands failed or canceled orders in once more. */
  | { readonly action: 'retry'; readonly orderIds: readonly string[] }
  /** Runs the failed compensations of orders once more. */
  | { readonly action: 'compensate'; readonly orderIds: readonly string[] }
  /** Holds the lanes of users. */
  | { readonly action: 'hold'; readonly userIds: readonly string[]; readonly reason?: string }
  | ReleaseRequest
  /** Pauses or resumes the whole processor of this process. */
  | { readonly action: 'pause' | 'resume' };

/** Releases held lanes. */
export interface ReleaseRequest {
  readonly action: 'release';
  /** What becomes of failed orders that hold the lanes. Needed if one does. */
  readonly then?: 'retry' | 'skip';
  /** With the `orderId` of the lane as it was shown: nothing is released if another one holds it by now. */
  readonly lanes: readonly { readonly userId: string; readonly orderId?: string }[];
}

/** What can be done from a dashboard. */
export type ActionName =
  | 'cancel'
  | 'retry'
  | 'compensate'
  | 'hold'
  | 'release'
  | 'pause'
  | 'resume';

/** What an action on all that a filter matches would be done to. */
export type PreviewRequest =
  | { readonly action: 'cancel' | 'retry' | 'compensate'; readonly filter: OrderFilter }
  /** Held lanes; with `code`: those that failed with it. */
  | { readonly action: 'release'; readonly code?: string };

export interface PreviewView {
  /** How many. */
  readonly count: number;
  /** Whether there are more, or may be: one action takes `mostTargets`, and a search ends after a bounded time. */
  readonly hasMore: boolean;
  /** With `retry`: of how many of them a compensation failed, so that what their steps did may still stand; absent for 0. */
  readonly uncompensated?: number;
  /** To be sent with the action: all `count` of them. For `release`, `lanes`. */
  readonly orderIds?: readonly string[];
  readonly lanes?: ReleaseRequest['lanes'];
  /** The first few orders, to be shown. */
  readonly sample: readonly OrderSummary[];
}

/** What an action did. */
export interface ActionResult extends ActionEntry {
  /** What failed, and why; the others are done. */
  readonly failures: readonly ActionFailure[];
  /** With `retry`: the ids of the new orders by those of the old ones. */
  readonly retriedAs?: Readonly<Record<string, string>>;
}

/** Why an action was not done to one order or user. */
export interface ActionFailure {
  /** The order or the user. */
  readonly id: string;
  /** What happened, in lower snake case; stable. */
  readonly code: string;
  /** The same for people. */
  readonly message: string;
}

/** An action that was done, in the list. */
export interface ActionEntry {
  /** Unique in this process. */
  readonly id: string;
  readonly at: Time;
  readonly action: ActionName;
  /** Who did it: the client's name, if it has one. */
  readonly by?: string;
  readonly then?: 'retry' | 'skip';
  readonly reason?: string;
  /** How many orders or users it was for, and for how many it was done. */
  readonly targets: number;
  readonly done: number;
  /** The first few of them. */
  readonly sample: readonly string[];
}

/** What was done from dashboards of this process, the last first; at most the last 500. */
export interface ActionsView {
  readonly actions: readonly ActionEntry[];
}
