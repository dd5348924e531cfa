import type { OrderProcessor } from '../../core/order-processor.ts';
import { unixTimeAt } from '../../core/runtime/clock.ts';
import type { Movement } from '../../core/storage/history/history-storage.ts';
import { ClientIds } from '../../server/client-ids.ts';
import { badRequest } from '../../server/http-error.ts';
import type { MovementView, StatementPage } from '../api.ts';
import { mostTime } from '../requests/query.ts';
import type { Viewer } from '../viewer.ts';
import { amount, defined } from './amounts.ts';

/** How many movements of one window of time are read at most. */
const mostRead = 1_000;
/** How often the storage is asked for one page; the next page goes on from there. */
const mostCalls = 60;
const hourMs = 3_600_000;

/** Which movements: those of a window of time before `end` and below a sequence. */
interface Place {
  /** `undefined`: without an end. */
  readonly end: number | undefined;
  readonly below: number;
  /** The balance before the last movement that was given. */
  readonly left: number | undefined;
}

/** What a page asks for. */
export interface StatementQuery {
  readonly from: number;
  readonly to: number | undefined;
  readonly cursor: string | undefined;
  readonly limit: number;
}

/**
 * A user's movements, the last one first. The processor gives them from the first on, so this reads windows of time,
 * from the last one backwards, which grow until enough is found.
 *
 * @throws OrderError `storage_failed`, HttpError `bad_request` for a cursor that is none
 */
export async function statementPage(
  processor: OrderProcessor,
  viewer: Viewer,
  userId: string,
  { from, to, cursor, limit }: StatementQuery,
): Promise<StatementPage> {
  const ids = new ClientIds(viewer.access);
  const viewOf = (movement: Movement): MovementView => viewFor(ids, movement);
  let { end, below, left } = cursor === undefined ? beginning(to) : readCursor(cursor);
  const found: Movement[] = [];
  let span = hourMs;
  for (let calls = 0; calls < mostCalls && found.length < limit; calls += 1) {
    const top = Math.max(end ?? unixTimeAt(processor) + 1, from + 1);
    const start = Math.max(from, top - span);
    const isOneMs = top - start <= 1;
    const window = await read(processor, userId, { from: start, to: end }, isOneMs);
    if (window === undefined) {
      span = Math.max(1, Math.floor(Math.min(span, top - start) / 16));
      continue;
    }
    const inside = window.filter(({ sequence }) => sequence < below);
    for (const movement of inside.toReversed().slice(0, limit - found.length)) {
      found.push(movement);
      below = movement.sequence;
      left = movement.balance - movement.amount;
    }
    if (found.length === limit && window.some(({ sequence }) => sequence < below)) break;
    end = start;
    if (start <= from)
      return lastPage(found.map(viewOf), from === 0 && left !== undefined && left !== 0);
    span *= 8;
  }
  return { movements: found.map(viewOf), cursor: cursorOf({ end, below, left }) };
}

/** The movements of a window, the oldest first; `undefined` if there are too many. */
async function read(
  processor: OrderProcessor,
  userId: string,
  window: { readonly from: number; readonly to: number | undefined },
  isOneMs: boolean,
): Promise<readonly Movement[] | undefined> {
  let { movements, cursor } = await processor.movements(userId, { ...window, limit: mostRead });
  if (cursor === undefined) return movements;
  if (!isOneMs) return undefined;
  // A window cannot be smaller: all of it is read.
  const all = [...movements];
  while (cursor !== undefined) {
    ({ movements, cursor } = await processor.movements(userId, {
      ...{ ...window, limit: mostRead, cursor },
    }));
    all.push(...movements);
  }
  return all;
}

function lastPage(movements: readonly MovementView[], isForgotten: boolean): StatementPage {
  return { movements, ...(isForgotten && { isForgotten }) };
}

/** Which order of another user's client made a movement is not for the client of the user to see. */
function viewFor(ids: ClientIds, movement: Movement): MovementView {
  const { userId, settledAt, sequence } = movement;
  const isShown = ids.movement(movement).orderId !== undefined;
  return defined({
    ...{ orderId: isShown ? movement.orderId : undefined, userId, settledAt, sequence },
    ...{ amount: amount(movement.amount), balance: amount(movement.balance) },
  }) as MovementView;
}

function beginning(to: number | undefined): Place {
  return { end: to, below: Number.POSITIVE_INFINITY, left: undefined };
}

function cursorOf({ end, below, left }: Place): string {
  const last = below === Number.POSITIVE_INFINITY ? '' : below;
  return Buffer.from(`statement ${end ?? ''} ${last} ${left ?? ''}`).toString('base64url');
}

/** @throws HttpError `bad_request` */
function readCursor(cursor: string): Place {
  const text = Buffer.from(cursor, 'base64url').toString();
  const fields = /^statement (\d{0,16}) (\d{0,16}) (-?\d{1,16})?$/.exec(text);
  const [, end = '', below = '', left = ''] = fields ?? [];
  if (fields === null || Number(end) > mostTime) {
    throw badRequest('Expected `cursor` to be the cursor of a page');
  }
  return {
    end: end === '' ? undefined : Number(end),
    below: below === '' ? Number.POSITIVE_INFINITY : Number(below),
    left: left === '' ? undefined : Number(left),
  };
}
