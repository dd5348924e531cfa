import { Code, ConnectError } from '@connectrpc/connect';
import { isOrderError, isRemembered, OrderError } from '../core/order/order-error.ts';
import { wentWrong } from '../core/runtime/thrown.ts';
import type { HttpError } from '../server/http-error.ts';
import {
  BadRequestSchema,
  RequestInfoSchema,
  RetryInfoSchema,
} from './gen/google/rpc/error_details_pb.js';
import { OrderErrorDetailSchema } from './gen/orderprocessor/v1/orders_pb.js';
import { fittingDetail, fittingText } from './messages/fitting.ts';
import { durationOf } from './messages/wire.ts';

/** The status of gRPC for a code of the library. */
const codes: Readonly<Record<string, Code>> = {
  invalid_order: Code.InvalidArgument,
  order_conflict: Code.AlreadyExists,
  rule_refused: Code.FailedPrecondition,
  queue_full: Code.ResourceExhausted,
  shut_down: Code.Unavailable,
  insufficient_funds: Code.FailedPrecondition,
  balance_overflow: Code.FailedPrecondition,
  timeout: Code.DeadlineExceeded,
  canceled: Code.Canceled,
  expired: Code.FailedPrecondition,
  history_forgotten: Code.OutOfRange,
  storage_failed: Code.Unavailable,
  deadlock: Code.Internal,
  not_held: Code.FailedPrecondition,
  not_failed: Code.FailedPrecondition,
  internal: Code.Internal,
};

/** For errors that `authenticate` may throw. */
const statuses: Readonly<Record<number, Code>> = {
  400: Code.InvalidArgument,
  401: Code.Unauthenticated,
  403: Code.PermissionDenied,
  404: Code.NotFound,
  409: Code.FailedPrecondition,
  429: Code.ResourceExhausted,
  503: Code.Unavailable,
};

/** Makes the error that the client gets of any error: with a typed detail, and nothing that is the host's own. */
export function asConnectError(thrown: unknown): ConnectError {
  if (thrown instanceof ConnectError) return thrown;
  if (isOrderError(thrown)) return ofOrder(thrown);
  if (isHttpError(thrown)) {
    const { code, status } = thrown;
    const message = fittingText(thrown.message);
    const detail = { code, message, isRetryable: status === 429 || status === 503 };
    return new ConnectError(message, statuses[status] ?? Code.Unknown, undefined, [
      { desc: OrderErrorDetailSchema, value: detail },
    ]);
  }
  return ofOrder(new OrderError('internal', wentWrong, { cause: thrown }));
}

/**
 * The error of a call that was ended by its deadline or its client.
 *
 * @param reason - of the signal of the call
 * @param thrown - the error that followed; says whose order it was
 */
export function endOfCall({ code, rawMessage }: ConnectError, thrown: unknown): ConnectError {
  const { orderId, userId, labels, steps } = isOrderError(thrown) ? thrown : {};
  const own = code === Code.DeadlineExceeded ? 'timeout' : 'canceled';
  return ofOrder(new OrderError(own, rawMessage, { orderId, userId, labels, steps }));
}

/** The same error with the id of the trace of its call, by which a client and an operator find what belongs to it. */
export function withTraceId(error: ConnectError, requestId: string | undefined): ConnectError {
  if (requestId === undefined) return error;
  // A copy: one of the host's own may be thrown again.
  const { rawMessage, code, metadata, cause, details } = error;
  const traced = new ConnectError(rawMessage, code, metadata, undefined, cause);
  traced.details = [...details, { desc: RequestInfoSchema, value: { requestId } }];
  return traced;
}

function ofOrder(error: OrderError): ConnectError {
  const { code, retryable, retryAfterMs } = error;
  const isOver = isRemembered(error);
  // The same call always gets the same answer; another one, with a new id, may succeed.
  const worthRetrying = isOver ? Code.Aborted : Code.Unavailable;
  const own = retryable ? worthRetrying : Code.FailedPrecondition;
  const known = Object.hasOwn(codes, code) ? (codes[code] as Code) : own;
  const status = isOver && known === Code.Unavailable ? Code.Aborted : known;
  const detail = fittingDetail(error);
  const connectError = new ConnectError(detail.message, status);
  connectError.details.push({ desc: OrderErrorDetailSchema, value: detail });
  if (retryable && !isOver && (status === Code.ResourceExhausted || status === Code.Unavailable)) {
    const retryDelay = durationOf(retryAfterMs ?? 1_000);
    connectError.details.push({ desc: RetryInfoSchema, value: { retryDelay } });
  }
  if (detail.issues.length > 0) {
    const fieldViolations = detail.issues.map(({ path, message: description }) => ({
      field: path,
      description,
    }));
    connectError.details.push({ desc: BadRequestSchema, value: { fieldViolations } });
  }
  return connectError;
}

/** Also of another copy of the package. */
function isHttpError(thrown: unknown): thrown is HttpError {
  return thrown instanceof Error && thrown.name === 'HttpError' && 'status' in thrown;
}
