import { badRequest } from '../../server/http-error.ts';
import type { ActionRequest, OrderFilter, PreviewRequest, ReleaseRequest, Status } from '../api.ts';
import { isId } from '../requests/query.ts';
import { statuses } from '../views/orders.ts';

/** How many orders or users one action takes. */
export const mostTargets = 1_000;
const longestReason = 1_024;

type Fields = Readonly<Record<string, unknown>>;

/** @throws HttpError `bad_request` */
export function readAction(body: unknown): ActionRequest {
  const fields = fieldsOf(body);
  const { action } = fields;
  switch (action) {
    case 'cancel':
    case 'retry':
    case 'compensate':
      checkNames(fields, ['action', 'orderIds']);
      return { action, orderIds: ids('orderIds', fields.orderIds) };
    case 'hold': {
      checkNames(fields, ['action', 'userIds', 'reason']);
      const reason = reasonOf(fields.reason);
      const userIds = ids('userIds', fields.userIds);
      return reason === undefined ? { action, userIds } : { action, userIds, reason };
    }
    case 'release':
      return readRelease(fields);
    case 'pause':
    case 'resume':
      checkNames(fields, ['action']);
      return { action };
    default:
      throw badRequest('There is no such `action`');
  }
}

/** @throws HttpError `bad_request` */
export function readPreview(body: unknown): PreviewRequest {
  const fields = fieldsOf(body);
  const { action } = fields;
  if (action === 'release') {
    checkNames(fields, ['action', 'code']);
    const code = optionalText('code', fields.code);
    return code === undefined ? { action } : { action, code };
  }
  if (action !== 'cancel' && action !== 'retry' && action !== 'compensate') {
    throw badRequest('There is no preview of such an `action`');
  }
  checkNames(fields, ['action', 'filter']);
  return { action, filter: readFilter(fields.filter) };
}

function readFilter(value: unknown): OrderFilter {
  const fields = fieldsOf(value);
  const known = ['status', 'userId', 'code', 'label', 'acceptedFrom', 'acceptedBefore'];
  checkNames(fields, known);
  const { status, userId } = fields;
  if (status !== undefined && !statuses.includes(status as Status)) {
    throw badRequest(`Expected \`status\` to be one of ${statuses.join(', ')}`);
  }
  if (userId !== undefined && !isId(userId)) throw badRequest('Expected `userId` to be an id');
  for (const name of ['acceptedFrom', 'acceptedBefore']) {
    const time = fields[name];
    if (time === undefined || (Number.isSafeInteger(time) && (time as number) >= 0)) continue;
    throw badRequest(`Expected \`${name}\` to be a time in Unix milliseconds`);
  }
  optionalText('code', fields.code);
  optionalText('label', fields.label);
  return fields as OrderFilter;
}

function readRelease(fields: Fields): ReleaseRequest {
  checkNames(fields, ['action', 'then', 'lanes']);
  const { then, lanes } = fields;
  if (then !== undefined && then !== 'retry' && then !== 'skip') {
    throw badRequest("Expected `then` to be 'retry' or 'skip'");
  }
  checkCount('lanes', lanes);
  const read = (lanes as unknown[]).map((lane) => {
    const { userId, orderId, ...rest } = fieldsOf(lane);
    checkNames(rest, []);
    if (!isId(userId)) throw badRequest('Expected `userId` of each lane to be an id');
    if (orderId === undefined) return { userId };
    if (!isId(orderId)) throw badRequest('Expected `orderId` of a lane to be an id');
    return { userId, orderId };
  });
  checkDistinct(
    'lanes',
    read.map(({ userId }) => userId),
  );
  return { action: 'release', lanes: read, ...(then !== undefined && { then }) };
}

function ids(name: string, value: unknown): readonly string[] {
  checkCount(name, value);
  const list = value as readonly unknown[];
  if (!list.every(isId)) throw badRequest(`Expected \`${name}\` to be a list of ids`);
  checkDistinct(name, list);
  return list;
}

function checkCount(name: string, value: unknown): void {
  if (Array.isArray(value) && value.length >= 1 && value.length <= mostTargets) return;
  throw badRequest(`Expected \`${name}\` to be a list of 1 to ${mostTargets}`);
}

function checkDistinct(name: string, list: readonly string[]): void {
  if (new Set(list).size !== list.length) throw badRequest(`Expected \`${name}\` once each`);
}

function checkNames(fields: Fields, known: readonly string[]): void {
  for (const name of Object.keys(fields)) {
    if (!known.includes(name)) throw badRequest(`There is no field \`${name.slice(0, 60)}\``);
  }
}

function fieldsOf(value: unknown): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw badRequest('Expected an object');
}

function optionalText(name: string, value: unknown): string | undefined {
  if (value === undefined || (typeof value === 'string' && value !== '')) return value;
  throw badRequest(`Expected \`${name}\` to be some text`);
}

function reasonOf(value: unknown): string | undefined {
  if (value === undefined || value === '') return undefined;
  const isText = typeof value === 'string' && value.length <= longestReason && value.isWellFormed();
  if (isText) return value;
  throw badRequest(`Expected \`reason\` to be text of at most ${longestReason} characters`);
}
