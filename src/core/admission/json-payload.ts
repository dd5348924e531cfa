import { OrderError } from '../order/order-error.ts';
import type { ParsedOrder } from '../order/parse-order.ts';
import { issueOf } from '../runtime/json/issues.ts';
import { jsonIssueIn } from '../runtime/json/json-issue.ts';
import { wentWrong } from '../runtime/thrown.ts';

/**
 * Copies the payload of an order. It must come back from JSON as it went in, except properties that are `undefined`:
 * steps get the same after a restart. Later changes of the host's payload do not affect the copy.
 *
 * @returns whether code of the host may have run: the payload is an object
 * @throws OrderError `invalid_order` that says where it is more than JSON; `internal` if the schema made it so
 */
export function copyAsJson(order: ParsedOrder): boolean {
  const { payload, content } = order;
  // The caller's payload first: a fault in the other one is the schema's.
  checkJson(order, content);
  if (content !== payload) checkMade(order, payload);
  if (!isObject(payload) && !isObject(content)) return false;
  const copy = copyOf(payload);
  if ('input' in order) order.input = content === payload ? copy : copyOf(content);
  order.payload = copy;
  return true;
}

function checkMade(order: ParsedOrder, payload: unknown): void {
  try {
    checkJson(order, payload, 'The schema makes a payload that the storage cannot keep. ');
  } catch (cause) {
    const { id: orderId, userId } = order;
    throw new OrderError('internal', wentWrong, { orderId, userId, cause });
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

function copyOf(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

function checkJson({ id: orderId, userId }: ParsedOrder, value: unknown, before = ''): void {
  const issue = value === undefined ? undefined : jsonIssueIn(value, 'payload');
  if (issue === undefined) return;
  const { path, message } = issueOf(issue.path, issue.message);
  const text = `${before}The storage keeps only JSON: ${path} is ${message}`;
  throw new OrderError('invalid_order', text, { orderId, userId, issues: [{ path, message }] });
}
