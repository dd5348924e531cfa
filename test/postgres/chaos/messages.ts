import type { Posting } from '../../../src/index.ts';

/** What a worker process is started with. */
export interface WorkerOptions {
  /** The database, through a network that may fail. */
  readonly url: string;
  /** The database, for the test's own tables. */
  readonly witnessUrl: string;
  readonly schema: string;
  readonly partitions: number;
  /** Unlike any other worker's. */
  readonly name: string;
  readonly seed: number;
  readonly beatMs: number;
  readonly staleMs: number;
  /** How many orders it may have in memory: with a few the others wait in the database. */
  readonly capacity: number;
  /** By how much its clock is fast, in milliseconds; below 0 it is slow. */
  readonly clockMs: number;
}

/** Which step of an order fails, and how much of what was ordered is settled. */
export interface ChaosPayload {
  /** An order that comes again is shipped, though the one before it was not. */
  readonly fails?: 'pay' | 'ship' | 'deliver' | undefined;
  /** From which attempt on it is delivered; never by default. An order that is not delivered holds its lane. */
  readonly works?: number | undefined;
  /** The share of the amount and of each posting, in percent. */
  readonly percent?: number | undefined;
  /** It is paid without delay, and not shipped. */
  readonly isQuick?: boolean | undefined;
}

/** An order as a caller hands it in. */
export interface ChaosOrder {
  readonly id: string;
  readonly userId: string;
  readonly amount: number;
  readonly postings?: readonly Posting[];
  readonly payload: ChaosPayload;
  readonly notBefore?: number | undefined;
}

/** What a worker is asked. */
export type Request =
  | { readonly do: 'submit' | 'enqueue'; readonly order: ChaosOrder }
  | { readonly do: 'outcome' | 'cancel' | 'retry'; readonly id: string }
  | { readonly do: 'hold'; readonly userId: string; readonly reason: string }
  | ReleaseRequest
  | { readonly do: 'holds' | 'consume' | 'leave' };

export interface ReleaseRequest {
  readonly do: 'release';
  readonly userId: string;
  readonly action?: 'retry' | 'skip' | undefined;
  readonly orderId?: string | undefined;
}

/** How an order ended, as a caller was notified. */
export interface NotifiedOutcome {
  readonly status: 'completed' | 'failed' | 'canceled';
  readonly balance?: number | undefined;
  readonly code?: string | undefined;
  /** The run of `pay` whose result the receipt has. */
  readonly paidBy?: string | undefined;
}

/** A held lane, as an operator sees it. */
export interface SeenHold {
  readonly userId: string;
  readonly reason?: string | undefined;
  readonly orderId?: string | undefined;
}

/** What a worker answers. */
export type Answer =
  | NotifiedOutcome
  | { readonly status: 'accepted' | 'unknown' | 'left' | 'consuming' | 'released' }
  | { readonly status: 'canceling'; readonly isCanceled: boolean }
  | { readonly status: 'retried'; readonly id: string }
  | { readonly status: 'held'; readonly hold: SeenHold }
  | { readonly status: 'holds'; readonly holds: readonly SeenHold[] };

/** From the parent to a worker. */
export interface Asked {
  readonly number: number;
  readonly request: Request;
}

/** From a worker to the parent. */
export type Said =
  | { readonly number: number; readonly answer: Answer }
  | { readonly number: number; readonly code: string; readonly message: string }
  | { readonly ready: true }
  | { readonly problem: string };
