import type { ActionEntry } from './actions.ts';
import type { AttentionView } from './attention.ts';
import type { OrderView } from './order.ts';
import type { Status } from './orders.ts';
import type { OverviewView, PointView, ProcessorsView, StatsView } from './overview.ts';
import type { Time } from './session.ts';
import type { UserView } from './user.ts';

/**
 * What a page wants to be notified of, as query of `api/live`: a page opens a stream for what it shows, another one when
 * it shows something else, and none while it is in the background. Read it by `fetch`, which sends credentials as the
 * other requests do. With the last `id` in the header `Last-Event-ID`, a stream goes on where the earlier one ended,
 * or begins anew with whole views if that is too long ago.
 */
export interface LiveQuery {
  /** Some of {@link LiveTopic}, with commas between them. */
  readonly topics: string;
  /** With `user`: which. With `events`: only the events of this user. */
  readonly userId?: string;
  /** With `order`: which. With `events`: only the events of this order. */
  readonly orderId?: string;
  /** With `overview`: the distance of points in seconds, as for `api/overview`. */
  readonly step?: number;
}

export type LiveTopic =
  | 'stats'
  | 'attention'
  | 'overview'
  | 'user'
  | 'order'
  | 'processors'
  | 'actions'
  | 'events';

/**
 * What comes, by the name of the SSE event. Of a topic that was asked for, its whole view comes first, and then again
 * whenever it has changed, at most once a second (`user`, `order`: twice); `events` at most four times.
 */
export interface LiveMessages {
  stats: StatsView;
  attention: AttentionView;
  /** At the beginning. */
  overview: OverviewView;
  /** Then: the points since the last message; the last point of a message is complete. */
  points: { readonly stats: StatsView; readonly points: readonly PointView[] };
  user: UserView;
  order: OrderView;
  processors: ProcessorsView;
  /** Those since the last message, the oldest first; at the beginning the last 100. */
  actions: readonly ActionEntry[];
  events: LiveEvents;
  /** A view that could not be read now, so that the page can say so; the stream goes on. */
  trouble: { readonly topic: LiveTopic; readonly code: string; readonly message: string };
  /** The processor is shutting down, or the person may see no more of this. The stream ends. */
  bye: { readonly reason: 'shutdown' | 'unauthorized' };
}

/** Some events, the oldest first. */
export interface LiveEvents {
  readonly events: readonly LiveEvent[];
  /** How many more there were that are not sent, because they came too fast or the reader is slow. */
  readonly skipped: number;
}

/** Something happened. */
export interface LiveEvent {
  readonly at: Time;
  /** As in `ProcessorEvents` of the library. */
  readonly name: LiveEventName;
  readonly orderId?: string;
  readonly userId?: string;
  readonly amount?: string;
  readonly status?: Status;
  readonly labels?: readonly string[];
  readonly step?: string;
  readonly attempt?: number;
  readonly durationMs?: number;
  readonly code?: string;
  /** For people; cut at 500 characters. */
  readonly message?: string;
}

export type LiveEventName =
  | 'accepted'
  | 'refused'
  | 'started'
  | 'progress'
  | 'stepped'
  | 'retried'
  | 'completed'
  | 'failed'
  | 'canceled'
  | 'stalled'
  | 'held'
  | 'released'
  | 'interrupted'
  | 'restored'
  | 'shutdown'
  | 'error'
  | 'acted';
