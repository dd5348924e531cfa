/** What callers and processes say to each other here. Between machines it would be HTTP or gRPC. */
import type { ClusterStats } from 'order-processor';

/** An order that has its id, so that it can be submitted again. */
export interface Transfer {
  readonly id: string;
  readonly userId: string;
  readonly amount: number;
  readonly postings?: readonly { readonly userId: string; readonly amount: number }[];
}

export type ToProcess =
  | { readonly kind: 'submit'; readonly orders: readonly Transfer[] }
  | { readonly kind: 'end' };

/** What became of an order: `'completed'`, or the code of its error. */
export type Answer = readonly [id: string, code: string];

export interface Report {
  readonly kind: 'report';
  /** How many orders this process has settled, as the owner of their users. */
  readonly settled: number;
  /** What it knows of all processors: `stats().cluster`. */
  readonly cluster: ClusterStats | undefined;
}

export type FromProcess =
  | { readonly kind: 'ready' | 'interrupted' | 'restored' }
  | { readonly kind: 'answers'; readonly answers: readonly Answer[] }
  | Report;
