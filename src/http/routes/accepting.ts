import { OrderError } from '../../core/order/order-error.ts';
import type { ClientIds } from '../../server/client-ids.ts';
import type { AppSettings } from '../options.ts';
import { bySignal } from '../request/request-timeouts.ts';

/** What errors say of an order that is handed in. */
interface Facts {
  readonly orderId?: string | undefined;
  readonly userId?: string | undefined;
}

/** Has an order accepted within the time that a request may take for that. */
export function acceptInTime<T>(
  { acceptTimeoutMs }: Pick<AppSettings, 'acceptTimeoutMs'>,
  request: Request,
  facts: Facts,
  handIn: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = (): Error =>
    new OrderError('queue_full', 'No room within the time for accepting', {
      ...facts,
      retryAfterMs: acceptTimeoutMs,
    });
  const unanswered = (): Error =>
    new OrderError('storage_failed', 'The storage does not say whether it keeps the order', facts);
  return bySignal(request, acceptTimeoutMs, late, handIn, unanswered);
}

/**
 * The path of an order.
 *
 * @param orders - the path of all orders; by default relative, so that it is right wherever the app is mounted
 */
export function pathOf(
  { id, userId }: { id: string; userId: string },
  ids: ClientIds,
  orders = 'orders',
): string {
  const path = `${orders}/${encodeURIComponent(ids.id(id, userId))}`;
  const isNamed = !ids.isScoped || ids.onlyUser !== undefined;
  return isNamed ? path : `${path}?${new URLSearchParams({ userId })}`;
}
