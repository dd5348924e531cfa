import type { Enqueued } from '../../core/admission/enqueue.ts';
import type { Order } from '../../core/order/order.ts';
import type { OrderOutcome } from '../../core/order/outcome.ts';
import type { OrderProcessor } from '../../core/order-processor.ts';
import { checkMethods, checkOptions, wrong } from '../../core/runtime/checks.ts';
import { nextOrderId } from '../../core/runtime/uuid-v7.ts';
import { type Access, checkAccess, everything } from '../../server/access.ts';
import { ClientIds } from '../../server/client-ids.ts';
import { isNews } from '../../server/failure-reports.ts';
import { badRequest } from '../../server/http-error.ts';
import { aboutToCut } from '../../server/listening/server-draining.ts';
import { withoutCause } from '../../server/order-access.ts';
import { inTrace, traceContextOf } from '../../server/trace-headers.ts';
import { json, problem, type Statuses } from '../answers.ts';
import { type AnswerSettings, readAnswerOptions } from '../options.ts';
import { idempotencyKey, waitMs } from '../request/request.ts';
import { acceptInTime, pathOf } from './accepting.ts';
import { OutcomeWait } from './outcome-wait.ts';
import type { ClientRequest } from './route.ts';

/** What {@link answerOrder} takes beside the order. */
export interface AnswerOrderOptions {
  /** What the client may do, by which it has its ids; everything by default. It is not asked whether it may order this. */
  readonly access?: Access | undefined;
  /** The path at which the client finds orders, for `Location`; `/orders` by default. */
  readonly ordersPath?: string | undefined;
  /** As {@link OrderAppOptions.statuses}. */
  readonly statuses?: Statuses | undefined;
  /** As {@link OrderAppOptions.acceptTimeoutMs}: 10 000 by default. */
  readonly acceptTimeoutMs?: number | undefined;
  /** As {@link OrderAppOptions.maxWaitMs}: 30 000 by default. */
  readonly maxWaitMs?: number | undefined;
  /** As {@link OrderAppOptions.onError}: `console.error` by default. */
  readonly onError?: ((error: unknown, request: Request) => void) | undefined;
}

const names = ['access', 'ordersPath', 'statuses', 'acceptTimeoutMs', 'maxWaitMs', 'onError'];

/**
 * Hands in an order for a route of the host's own, and answers as `POST /orders` does: 202 with the record and `Location`
 * once the order is accepted; with `Prefer: wait=N` (seconds) 200 with the receipt, or the order's error, if it has come to
 * that in time. The header `Idempotency-Key` is the order's id, unless it has one. Ids are those of the client, so it finds
 * the order at the app of {@link createOrderApp}, too. Whether the client may order this is the route's to check. The headers
 * `traceparent` and `tracestate` are the order's `traceContext`, if they are valid.
 *
 * @typeParam Payload - the payload's type
 * @typeParam Input - the payload as it is handed in
 * @typeParam Results - what the steps return, by name
 * @param processor - which accepts the order
 * @param request - whose headers count; its body was read for the order
 * @param order - what the route makes of the request
 * @param options - the client, and limits
 * @returns the answer; that is a {@link problem} if the order is refused. Rejects with a TypeError or RangeError for a wrong
 *   option
 */
export async function answerOrder<Payload = unknown, Input = Payload, Results = unknown>(
  processor: OrderProcessor<Payload, Input, Results>,
  request: Request,
  order: Order<Input>,
  options: AnswerOrderOptions = {},
): Promise<Response> {
  checkMethods('processor', processor, ['enqueue', 'outcome']);
  const settings = readOptions(options);
  const { access, statuses, onError } = settings;
  const ids = new ClientIds(access);
  try {
    const named = withKey(order as Order, idempotencyKey(request));
    const of = { request, access, ids };
    return await answerFor(processor as unknown as OrderProcessor, settings, of, named);
  } catch (error) {
    const response = problem(ids.error(error), statuses, request);
    if (response.status === 500) onError(error, request);
    return response;
  }
}

interface Settings extends AnswerSettings {
  /** Where orders are; by default where the app is mounted. */
  readonly ordersPath?: string | undefined;
}

/** @throws TypeError or RangeError */
function readOptions(options: AnswerOrderOptions): Settings & { readonly access: Access } {
  checkOptions('answerOrder', options, names);
  const { access = everything, ordersPath = '/orders' } = options;
  if (typeof ordersPath !== 'string') throw wrong(TypeError, 'ordersPath', 'a string', ordersPath);
  return { ...readAnswerOptions(options), access: checkAccess(access), ordersPath };
}

/** Answers with the record once the order is accepted, or with its outcome if the client waits. */
export async function answerFor(
  processor: OrderProcessor,
  settings: Settings,
  of: ClientRequest,
  given: Order,
): Promise<Response> {
  const { request, ids } = of;
  const ms = Math.min(waitMs(request), settings.maxWaitMs);
  const order = ids.order(given);
  if (ms > 0) {
    const named = { ...order, id: order.id ?? nextOrderId() };
    return acceptAndWait(processor, settings, of, named, ms);
  }
  const { record } = await accept(processor, settings, request, order);
  const headers = { location: pathOf(record, ids, settings.ordersPath) };
  return json(ids.record(withoutCause(record)), 202, headers);
}

async function acceptAndWait(
  processor: OrderProcessor,
  settings: Settings,
  { request, ids }: ClientRequest,
  order: Order & { readonly id: string },
  ms: number,
): Promise<Response> {
  const headers = {
    location: pathOf(order, ids, settings.ordersPath),
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
  const response = problem(ids.error(error), settings.statuses, request);
  if (error.code === 'internal' && isNews(error)) settings.onError(error, request);
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
  return response;
}

function accept(
  processor: OrderProcessor,
  settings: Settings,
  request: Request,
  order: Order,
  settle?: (outcome: OrderOutcome) => void,
): Promise<Enqueued> {
  const { id: orderId, userId } = order;
  return acceptInTime(settings, request, { orderId, userId }, (signal) =>
    processor.handIn(inTrace(order, traceContextOf(request.headers)), { signal }, settle),
  );
}

/**
 * The header and the order may both name the id, if they agree.
 *
 * @throws HttpError `bad_request`
 */
export function withKey<T extends { readonly id?: string | undefined }>(
  order: T,
  key: string | undefined,
): T {
  if (key === undefined) return order;
  if (order.id !== undefined && order.id !== key) {
    throw badRequest('Expected `Idempotency-Key` and `id` to be the same');
  }
  return { ...order, id: key };
}
