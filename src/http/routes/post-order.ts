import type { Enqueued } from '../../core/admission/enqueue.ts';
import type { Order } from '../../core/order/order.ts';
import type { OrderOutcome } from '../../core/order/outcome.ts';
import type { OrderProcessor } from '../../core/order-processor.ts';
import { nextOrderId } from '../../core/runtime/uuid-v7.ts';
import { checkMayOrder } from '../../server/access.ts';
import { badRequest } from '../../server/http-error.ts';
import { aboutToCut } from '../../server/listening/server-draining.ts';
import { withoutCause } from '../../server/order-access.ts';
import { json, problem } from '../answers.ts';
import { check, noQuery, orderInput } from '../openapi/input-schemas.ts';
import type { AppSettings } from '../options.ts';
import { idempotencyKey, query, waitMs } from '../request/request.ts';
import { readStrictly } from '../request/request-body.ts';
import { acceptInTime, pathOf } from './accepting.ts';
import { OutcomeWait } from './outcome-wait.ts';
import type { ClientRequest } from './route.ts';

/** Answers `POST /orders`: with the record once the order is accepted, or with its outcome if the client waits. */
export async function postOrder(
  processor: OrderProcessor,
  settings: AppSettings,
  of: ClientRequest,
): Promise<Response> {
  const { request, access, ids } = of;
  const { bodyLimitBytes, readTimeoutMs, maxWaitMs } = settings;
  query(request, noQuery);
  const key = idempotencyKey(request);
  const ms = Math.min(waitMs(request), maxWaitMs);
  const body = await readStrictly(request, bodyLimitBytes, readTimeoutMs);
  const given = withKey(check(orderInput, body, 'invalid_order'), key) as Order;
  checkMayOrder(access, given);
  const order = ids.order(given);
  if (ms > 0) {
    const named = { ...order, id: order.id ?? nextOrderId() };
    return acceptAndWait(processor, settings, of, named, ms);
  }
  const { record } = await accept(processor, settings, request, order);
  return json(ids.record(withoutCause(record)), 202, { location: pathOf(record, ids) });
}

async function acceptAndWait(
  processor: OrderProcessor,
  settings: AppSettings,
  { request, ids }: ClientRequest,
  order: Order & { readonly id: string },
  ms: number,
): Promise<Response> {
  const headers = {
    // Relative, so that it is right wherever the app is mounted.
    location: pathOf(order, ids),
    'preference-applied': `wait=${ms / 1_000}`,
  };
  // Not by the id, which may stand for another order by then.
  const wait = new OutcomeWait();
  const accepted = await accept(processor, settings, request, order, wait.settle);
  const outcome = await wait.within(ms, request.signal, aboutToCut(processor).signal);
  accepted.leave();
  if (outcome === undefined) return json(ids.record(withoutCause(accepted.now())), 202, headers);
  if (outcome.status === 'completed') return json(ids.receipt(outcome), 200, headers);
  const { error } = outcome;
  const response = problem(ids.error(error), settings.statuses);
  if (error.code === 'internal') settings.onError(error, request);
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
  return response;
}

function accept(
  processor: OrderProcessor,
  settings: AppSettings,
  request: Request,
  order: Order,
  settle?: (outcome: OrderOutcome) => void,
): Promise<Enqueued> {
  const { id: orderId, userId } = order;
  return acceptInTime(settings, request, { orderId, userId }, (signal) =>
    processor.handIn(order, { signal }, settle),
  );
}

/** The header and the body may both name the id, if they agree. */
function withKey<T extends { id?: string | undefined }>(order: T, key: string | undefined): T {
  if (key === undefined) return order;
  if (order.id !== undefined && order.id !== key) {
    throw badRequest('Expected `Idempotency-Key` and `id` to be the same');
  }
  return { ...order, id: key };
}
