import { isOrderError, isRemembered, repeatedErrors } from '../core/order/order-error.ts';

const reported = new WeakSet<object>();

/**
 * Whether the host is to get an error: the error of an order that failed once, for the first caller that gets it, and
 * never for one that hands the order in again. Any other error each time.
 */
export function isNews(error: unknown): boolean {
  if (!isOrderError(error) || !isRemembered(error)) return true;
  if (repeatedErrors.has(error) || reported.has(error)) return false;
  reported.add(error);
  return true;
}
