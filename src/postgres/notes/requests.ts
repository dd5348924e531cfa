import { setTimeout as sleep } from 'node:timers/promises';
import type { StoredOrder } from '../../core/order/stored-order.ts';
import type { Channels } from '../members/channels.ts';
import type { Life } from '../members/life.ts';
import { isLockedRow } from '../sessions/errors.ts';
import type { Statement } from '../sessions/session.ts';
import { waitsToNotify } from '../statements/notify.ts';
import { findOrders } from '../statements/orders/find.ts';
import { fromKept, toKept } from '../values/kept-text.ts';
import { textArray } from '../values/literals.ts';

/**
 * $1 ids, $2 the processor that awaits them. An order that a settlement is at is passed over: to wait for it could end
 * with each waiting for the other. Nothing is lost with what a crash takes back: all sessions end then.
 */
const watchStatement: Statement = {
  name: 'watch',
  text: `WITH w AS (
    SELECT seq FROM pending WHERE seq = ANY (ARRAY(SELECT seq FROM orders WHERE id = ANY ($1::text[])))
    ORDER BY seq FOR UPDATE SKIP LOCKED)
  UPDATE pending SET watchers = CASE
    WHEN $2::int = ANY (watchers) THEN watchers ELSE array_append(watchers, $2::int) END
  WHERE seq = ANY (ARRAY(SELECT seq FROM w))
  RETURNING seq, set_config('synchronous_commit', 'off', true)`,
};

/** $1 the id, $2 the channel for control. An order that is not due comes at once, as if it were. */
const cancelStatement: Statement = {
  name: 'cancel',
  text: `WITH u AS (
    UPDATE pending SET is_to_cancel = true, not_before = NULL, epoch = CASE WHEN not_before IS NULL THEN epoch
      ELSE (SELECT t.epoch FROM partitions t WHERE t.part = pending.part) END
    WHERE seq = ANY (ARRAY(SELECT seq FROM orders WHERE id = $1)) RETURNING seq, part)
  SELECT ${waitsToNotify}, pg_notify($2, 'cancel ' || part || ' ' || seq || ' ' || $1::text) FROM u`,
};

/** How often orders are tried that a settlement is at, and how long that waits each time, in milliseconds. */
const tries = { count: 5, pauseMs: 5 } as const;

/**
 * Has the outcomes of orders noted here from now on.
 *
 * @returns the orders, as they were when that was so
 */
export async function watchOrders(
  { read, number }: Life,
  ids: readonly string[],
): Promise<readonly (StoredOrder | undefined)[]> {
  const values = [textArray(ids.map(toKept)), number];
  for (let left: number = tries.count; ; left -= 1) {
    const [rows, orders] = await Promise.all([
      read.query<{ seq: number }>(watchStatement, values),
      findOrders(read, ids),
    ]);
    const watched = new Set(rows.map(({ seq }) => seq));
    const isMissed = orders.some(
      (order) =>
        order !== undefined && order.settledAt === undefined && !watched.has(order.sequence),
    );
    // What is missed still is asked for in time.
    if (!isMissed || left <= 1) return orders;
    await sleep(tries.pauseMs);
  }
}

/** For how long an order is waited for that a settlement is at, in milliseconds. */
const lockMs = 1_000;

/** Keeps a request to cancel an order, and notifies its owner. */
export async function requestCancel(
  { accept }: Life,
  id: string,
  channels: Channels,
): Promise<void> {
  try {
    const values = [toKept(id), channels.control];
    await accept.transaction(async () => {
      await accept.query(`SET LOCAL lock_timeout = ${lockMs}`);
      await accept.query(cancelStatement, values);
    });
  } catch (error) {
    // A settlement is at it, and takes long: the order is decided.
    if (!isLockedRow(error)) throw error;
  }
}

/** A note that an order is to be canceled. */
export interface CancelNote {
  readonly part: number;
  readonly sequence: number;
  readonly id: string;
}

/** @returns `undefined` for another note */
export function parseCancelNote(payload: string): CancelNote | undefined {
  const found = /^cancel (\d+) (\d+) (.*)$/s.exec(payload);
  if (found === null) return undefined;
  const [, part, sequence, id] = found;
  return { part: Number(part), sequence: Number(sequence), id: fromKept(id as string) };
}
