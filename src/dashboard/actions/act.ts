import type { OrderProcessor } from '../../core/order-processor.ts';
import { unixTimeAt } from '../../core/runtime/clock.ts';
import { checkMayActFor, checkMayOrder, checkOperator } from '../../server/access.ts';
import { badRequest, forbidden, HttpError, notFound } from '../../server/http-error.ts';
import { laneOfFailed } from '../../server/order-access.ts';
import { problemOf } from '../answers.ts';
import type { ActionFailure, ActionRequest, ActionResult } from '../api.ts';
import type { Sources } from '../sources.ts';
import { maySee, type Viewer } from '../viewer.ts';
import type { ActionList } from './action-list.ts';

/** How many orders or users are dealt with at once. */
const atOnce = 20;
/** How long one of them is waited for. */
const mostMs = 10_000;
const sampleSize = 5;

/** What an action does to one order or user; the id of a new order, with `retry`. */
type Deed = (id: string) => Promise<string | undefined>;

interface Doing {
  readonly ids: readonly string[];
  readonly deed: Deed;
}

/**
 * Does what a person asks for, and notes it.
 *
 * @param onError - called with each error that the person sees as `internal` only
 */
export async function act(
  sources: Sources,
  actions: ActionList,
  viewer: Viewer,
  request: ActionRequest,
  onError: (error: unknown) => void,
): Promise<ActionResult> {
  checkOperates(viewer);
  const { ids, deed } = doingOf(sources.processor, viewer, request);
  const { failures, retriedAs } = await doAll(ids, deed, onError);
  const isForAll = request.action === 'pause' || request.action === 'resume';
  const { client } = viewer.access;
  const then = request.action === 'release' ? request.then : undefined;
  const reason = request.action === 'hold' ? request.reason : undefined;
  const [targets, id, at] = [ids.length, crypto.randomUUID(), unixTimeAt(sources.processor)];
  const targetIds = isForAll ? [] : ids;
  const entry = {
    ...{ id, at, action: request.action, targets, done: targets - failures.length },
    ...(client !== undefined && { by: client }),
    ...(then !== undefined && { then }),
    ...(reason !== undefined && { reason }),
    sample: targetIds.slice(0, sampleSize),
  };
  actions.add(entry);
  sources.settings.onAction({
    ...{ id, at, action: request.action, by: client, access: viewer.access },
    ...{ release: then, reason, targetIds, failures },
  });
  return { ...entry, failures, ...(request.action === 'retry' && { retriedAs }) };
}

/** @throws HttpError `forbidden` */
export function checkOperates({ role, readOnlyBecause }: Viewer): void {
  if (role === 'operate') return;
  throw forbidden(
    readOnlyBecause === 'no_authentication'
      ? 'This dashboard is read-only: it has no `authenticate`'
      : 'You may read, and not operate',
  );
}

function doingOf(processor: OrderProcessor, viewer: Viewer, request: ActionRequest): Doing {
  switch (request.action) {
    case 'cancel':
      return { ids: request.orderIds, deed: (id) => cancel(processor, viewer, id) };
    case 'retry':
      return { ids: request.orderIds, deed: (id) => retry(processor, viewer, id) };
    case 'compensate':
      checkOperator(viewer.access);
      return { ids: request.orderIds, deed: (id) => compensate(processor, viewer, id) };
    case 'hold': {
      const { reason } = request;
      checkOperator(viewer.access);
      return {
        ids: request.userIds,
        deed: async (userId) => {
          await processor.hold(userId, { reason });
          return undefined;
        },
      };
    }
    case 'release': {
      checkOperator(viewer.access);
      const orders = new Map(request.lanes.map(({ userId, orderId }) => [userId, orderId]));
      return {
        ids: [...orders.keys()],
        deed: (userId) => release(processor, userId, request.then, orders.get(userId)),
      };
    }
    default:
      checkOperator(viewer.access);
      // It stops the orders of all users.
      checkMayActFor(viewer.access, undefined);
      return {
        ids: [request.action],
        deed: async () => {
          if (request.action === 'pause') processor.pause();
          else processor.resume();
          return undefined;
        },
      };
  }
}

async function cancel(processor: OrderProcessor, viewer: Viewer, id: string): Promise<undefined> {
  const { userId } = await orderOf(processor, viewer, id);
  checkMayActFor(viewer.access, userId);
  const isCanceled = await processor.cancelIf(id, (of, holdsLane) => {
    if (of === userId && holdsLane) checkOperator(viewer.access, laneOfFailed);
    return of === userId;
  });
  if (isCanceled) return undefined;
  const status = (await processor.order(id))?.status;
  if (status === 'canceled') return undefined;
  const message = `An order that is ${status ?? 'forgotten'} can no longer be canceled`;
  throw new HttpError(409, 'order_settled', message);
}

async function retry(processor: OrderProcessor, viewer: Viewer, id: string): Promise<string> {
  const { userId, orderedAmount: amount, postings } = await orderOf(processor, viewer, id);
  checkMayOrder(viewer.access, { userId, amount, postings });
  const again = await processor.retry(id, { signal: AbortSignal.timeout(mostMs) });
  return again.id;
}

async function compensate(
  processor: OrderProcessor,
  viewer: Viewer,
  id: string,
): Promise<undefined> {
  await orderOf(processor, viewer, id);
  const { steps } = await processor.compensate(id);
  for (const { name, compensation } of steps) {
    if (compensation?.status !== 'error') continue;
    const { code = 'internal', message = 'no message' } = compensation;
    throw new HttpError(409, code, `The compensation of \`${name}\` failed again: ${message}`);
  }
  return undefined;
}

async function release(
  processor: OrderProcessor,
  userId: string,
  then: 'retry' | 'skip' | undefined,
  orderId: string | undefined,
): Promise<undefined> {
  try {
    await processor.release(userId, then, { orderId });
    return undefined;
  } catch (error) {
    if (then !== undefined || !(error instanceof TypeError)) throw error;
    throw badRequest(
      "Expected `then` to be 'retry' or 'skip', since a failed order holds the lane",
    );
  }
}

async function orderOf(
  processor: OrderProcessor,
  viewer: Viewer,
  id: string,
): Promise<NonNullable<Awaited<ReturnType<OrderProcessor['order']>>>> {
  const record = await processor.order(id);
  if (record !== undefined && maySee(viewer, record.userId)) return record;
  throw notFound('There is no such order');
}

async function doAll(
  ids: readonly string[],
  deed: Deed,
  onError: (error: unknown) => void,
): Promise<{ failures: ActionFailure[]; retriedAs: Record<string, string> }> {
  const failures: ActionFailure[] = [];
  const retriedAs = new Map<string, string>();
  const left = ids.values();
  const work = async (): Promise<void> => {
    for (const id of left) {
      try {
        const made = await inTime(deed(id));
        if (made !== undefined) retriedAs.set(id, made);
      } catch (error) {
        failures.push(failureOf(id, error, onError));
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, ids.length) }, work));
  return { failures, retriedAs: Object.fromEntries(retriedAs) };
}

/** A step that never ends must not keep the answer. */
async function inTime<T>(deed: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const message = 'It is asked for, and takes longer: look at it again';
    timer = setTimeout(() => reject(new HttpError(504, 'under_way', message)), mostMs).unref();
  });
  try {
    return await Promise.race([deed, late]);
  } finally {
    clearTimeout(timer);
  }
}

function failureOf(id: string, error: unknown, onError: (error: unknown) => void): ActionFailure {
  // What is wrong with the request, as a release with `skip` where no failed order holds the lane.
  if (error instanceof TypeError || error instanceof RangeError) {
    return { id, code: 'bad_request', message: error.message };
  }
  const { status, code, detail: message } = problemOf(error, undefined);
  if (status === 500) onError(error);
  return { id, code, message };
}
