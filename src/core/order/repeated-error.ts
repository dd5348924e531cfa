import type { OrderError } from './order-error.ts';

const repeated = new WeakSet<OrderError>();

/** An error is made for a caller that has handed in an order that had failed or was canceled before. */
export function noteRepeated(error: OrderError): void {
  repeated.add(error);
}

/** Whether {@link noteRepeated} was called with an error. */
export function isRepeated(error: OrderError): boolean {
  return repeated.has(error);
}
