import type { CauseView, LaneView } from './attention.ts';
import type { OrderSummary } from './orders.ts';
import type { Amount, Time } from './session.ts';

/** All of an order. */
export interface OrderView extends OrderSummary {
  readonly now: Time;
  readonly orderedAmount: Amount;
  /** The user's balance right after it, of a completed order. */
  readonly balance?: Amount;
  /** The error behind `code`. */
  readonly cause?: CauseView;
  /** How long it waited for its turn, and was processed; as of now while it does. */
  readonly waitMs?: number;
  readonly durationMs?: number;
  readonly postings: readonly PostingView[];
  /** In declaration order, as far as known. Of an order that runs: those that this process has seen. */
  readonly steps: readonly StepView[];
  /** The hold of its lane, if this order holds it. */
  readonly hold?: LaneView;
  /** Whether it holds its user for longer than it should. */
  readonly isStalled?: true;
  /** Only where `showPayloads` allows. JSON as text, as the storage has it; cut at 64 KiB. */
  readonly payload?: JsonView;
  /** What steps have returned, by name; as `payload`. */
  readonly results?: JsonView;
}

export interface JsonView {
  readonly text: string;
  /** Whether the text was cut, so that it is no JSON. */
  readonly isCut: boolean;
}

export interface PostingView {
  readonly userId: string;
  readonly amount: Amount;
  readonly orderedAmount: Amount;
  /** The balance right after it, of a completed order. */
  readonly balance?: Amount;
}

/** One step, as a bar of the waterfall. */
export interface StepView {
  readonly name: string;
  /** `waiting`: it has not begun. `paused`: between two attempts. The last five are as in `StepResult` of the library. */
  readonly status:
    | 'waiting'
    | 'running'
    | 'paused'
    | 'ok'
    | 'error'
    | 'canceled'
    | 'skipped'
    | 'compensated';
  /** Absent of a step that was skipped, or that is not known. */
  readonly startedAt?: Time;
  readonly endedAt?: Time;
  /**
   * Whether the times were observed by this process. If not, the order ended before that, and the step is drawn behind
   * the one before it: only its duration is certain.
   */
  readonly isObserved: boolean;
  /** Pauses between attempts included. */
  readonly durationMs?: number;
  /** How often it was tried in the last run. */
  readonly attempts: number;
  /** The attempts that failed and were followed by another, as far as observed; at most the last 20. */
  readonly retries: readonly RetryView[];
  readonly code?: string;
  /** While it runs: from 0 to 1, and what it is at. */
  readonly progress?: { readonly fraction: number; readonly label?: string };
  readonly compensation?: CompensationView;
}

/** A failed attempt and the pause behind it. */
export interface RetryView {
  readonly attempt: number;
  /** When the attempt failed and the pause began. */
  readonly at: Time;
  readonly pauseMs: number;
  readonly code: string;
  readonly message: string;
}

/** How a step was compensated. */
export interface CompensationView {
  readonly status: 'running' | 'ok' | 'error';
  readonly startedAt?: Time;
  readonly endedAt?: Time;
  readonly durationMs?: number;
  readonly attempts: number;
  readonly retries: readonly RetryView[];
  readonly code?: string;
  readonly message?: string;
  readonly cause?: CauseView;
}
