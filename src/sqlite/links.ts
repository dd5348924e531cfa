import type { RetryLinks } from '../core/order/retry/retry-links.ts';

/** The column `links`, as JSON: the orders that an order names, and the trace in which it was handed in. */
export interface Links extends RetryLinks {
  readonly trace?: string | undefined;
}
