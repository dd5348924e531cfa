import { create, toBinary } from '@bufbuild/protobuf';
import type { OrderError, OrderIssue } from '../../core/order/order-error.ts';
import {
  type OrderErrorDetail,
  OrderErrorDetailSchema,
} from '../gen/orderprocessor/v1/orders_pb.js';
import { errorMessage } from './messages.ts';

// An error is in trailers, and those in one frame of HTTP/2, 16 384 bytes: what is longer ends the call as
// INTERNAL, and the client does not learn why. A character may take nine bytes there in the message, and four in
// each detail.
const longestMessage = 300;
const longestIssues = 800;
/** How many bytes an issue takes beside its text. */
const issueOverhead = 10;
/** In bytes. */
const longestFacts = 1_500;

/** The beginning of a long text, without half of a surrogate pair, which cannot be escaped. */
export function fittingText(text: string): string {
  const begin = text.length > longestMessage ? `${text.slice(0, longestMessage)}…` : text;
  return begin.toWellFormed();
}

/** The detail of an error that fits: as many of the first issues as there is room for, and no long facts. */
export function fittingDetail(error: OrderError): OrderErrorDetail {
  const detail = create(OrderErrorDetailSchema, errorMessage(error));
  const { labels, steps } = detail;
  const facts = toBinary(OrderErrorDetailSchema, create(OrderErrorDetailSchema, { labels, steps }));
  const isLong = facts.length > longestFacts;
  return Object.assign(detail, {
    message: fittingText(error.message),
    issues: detail.issues.slice(0, fittingCount(detail.issues)),
    labels: isLong ? [] : labels,
    steps: isLong ? [] : steps,
  });
}

function fittingCount(issues: readonly Pick<OrderIssue, 'path' | 'message'>[]): number {
  let room = longestIssues;
  const after = issues.findIndex(({ path, message }) => {
    room -= path.length + message.length + issueOverhead;
    return room < 0;
  });
  return after === -1 ? issues.length : after;
}
