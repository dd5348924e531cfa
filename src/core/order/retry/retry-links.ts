/** The orders that an order names, if it was handed in again; absent without one. */
export interface RetryLinks {
  readonly retryOf?: string | undefined;
  readonly retriedAs?: string | undefined;
}

/** Those that are there. */
export function retryLinks({ retryOf, retriedAs }: RetryLinks): RetryLinks {
  return {
    ...(retryOf !== undefined && { retryOf }),
    ...(retriedAs !== undefined && { retriedAs }),
  };
}
