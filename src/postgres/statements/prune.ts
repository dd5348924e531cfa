import type { Posting } from '../../core/order/order.ts';
import type { Session } from '../sessions/session.ts';
import { toKept } from '../values/kept-text.ts';
import { plainArray, textArray } from '../values/literals.ts';
import { blockBits, mostBlocks } from './orders/list-statements.ts';

/** How many orders one step looks at: some milliseconds. */
const stepRows = 500;

/**
 * The first block behind a place that has orders which are old enough; it passes over {@link mostBlocks} at most. No row
 * after the last order.
 */
const nextBlock = {
  name: 'prune_block',
  text: `SELECT w.low, x.block FROM (
      SELECT min(seq) >> ${blockBits} AS low FROM orders WHERE seq > $1::bigint OFFSET 0) w
    LEFT JOIN LATERAL (SELECT b.block FROM generate_series(w.low, w.low + ${mostBlocks - 1}) AS b (block)
      CROSS JOIN LATERAL (SELECT FROM orders WHERE seq >> ${blockBits} = b.block
        AND accepted_at < $2::bigint LIMIT 1) found
      LIMIT 1) x ON true
    WHERE w.low IS NOT NULL`,
};

/** Old orders between two places; `settlement` is that of one which was settled before, too. */
const oldOrders = {
  name: 'prune_rows',
  text: `SELECT o.seq, s.settlement, CASE WHEN s.balance IS NOT NULL THEN coalesce(s.postings, o.postings) END AS postings
    FROM (SELECT seq, postings FROM orders
      WHERE seq > $1::bigint AND seq < $2::bigint AND accepted_at < $3::bigint
      ORDER BY seq LIMIT ${stepRows}) o
    LEFT JOIN LATERAL (SELECT settlement, balance, postings FROM outcomes
      WHERE seq = o.seq AND settled_at < $3::bigint OFFSET 0) s ON true
    ORDER BY o.seq`,
};

/** An order that is to be deleted, if it is settled. */
export interface OldOrder {
  readonly seq: number;
  readonly settlement: number | null;
  readonly postings: string | null;
}

/** What is deleted stays part of its users' balances: their openings have the sum, and the balance after the last. */
const remove = {
  name: 'prune_delete',
  text: `WITH ended AS (DELETE FROM outcomes WHERE seq = ANY ($1::bigint[])
      RETURNING seq, user_id, settlement, amount, balance, applied_at),
    deleted AS (DELETE FROM orders WHERE seq = ANY ($1::bigint[])),
    credited AS (DELETE FROM credits USING unnest($2::text[], $3::bigint[]) AS old (user_id, settlement)
      WHERE credits.user_id = old.user_id AND credits.settlement = old.settlement
      RETURNING credits.user_id, credits.settlement, credits.amount, credits.balance, credits.applied_at),
    opened AS (INSERT INTO openings AS kept (user_id, amount, balance, settlement, applied_at)
      SELECT user_id, sum(amount), (array_agg(balance ORDER BY settlement DESC))[1], max(settlement), max(applied_at)
      FROM (SELECT user_id, settlement, amount, balance, applied_at FROM ended WHERE balance IS NOT NULL
        UNION ALL SELECT * FROM credited) movements (user_id, settlement, amount, balance, applied_at)
      GROUP BY user_id ORDER BY user_id
      ON CONFLICT (user_id) DO UPDATE SET amount = kept.amount + excluded.amount,
        balance = CASE WHEN excluded.settlement > kept.settlement THEN excluded.balance ELSE kept.balance END,
        settlement = greatest(kept.settlement, excluded.settlement),
        applied_at = greatest(kept.applied_at, excluded.applied_at)),
    noted AS (UPDATE meta SET pruned = greatest(pruned, (SELECT max(settlement) FROM ended)))
    SELECT count(*) AS count FROM ended`,
};

/**
 * Deletes orders that were accepted and settled before a time, some hundreds at a time. No call of `settle` waits for
 * it.
 *
 * @returns (resolves) how many were deleted
 */
export async function pruneOrders(session: Session, before: number): Promise<number> {
  let total = 0;
  let after = 0;
  for (;;) {
    const [found] = await session.query<{ low: number; block: number | null }>(nextBlock, [
      after,
      before,
    ]);
    if (found === undefined) return total;
    const { low, block } = found;
    if (block === null) after = lastOf(low + mostBlocks - 1);
    else {
      total += await pruneBlock(session, Math.max(after, lastOf(block - 1)), lastOf(block), before);
      after = lastOf(block);
    }
  }
}

/** The last place of a block. */
function lastOf(block: number): number {
  return (block + 1) * 2 ** blockBits - 1;
}

async function pruneBlock(
  session: Session,
  first: number,
  last: number,
  before: number,
): Promise<number> {
  let total = 0;
  let after = first;
  for (;;) {
    const values = [after, last + 1, before];
    const rows = await session.query<OldOrder>(oldOrders, values);
    const old = rows.filter(({ settlement }) => settlement !== null);
    if (old.length > 0) total += await removeOrders(session, old);
    if (rows.length < stepRows) return total;
    after = rows.at(-1)?.seq ?? last;
  }
}

/**
 * Deletes settled orders in one statement.
 *
 * @returns (resolves) how many; those that another processor deletes meanwhile are not counted
 */
export async function removeOrders(session: Session, old: readonly OldOrder[]): Promise<number> {
  const users: string[] = [];
  const settlements: number[] = [];
  for (const { settlement, postings } of old) {
    for (const { userId } of postingsIn(postings)) {
      users.push(toKept(userId));
      settlements.push(settlement as number);
    }
  }
  const [row] = await session.query<{ count: number }>(remove, [
    plainArray(old.map(({ seq }) => seq)),
    textArray(users),
    plainArray(settlements),
  ]);
  return row?.count ?? 0;
}

/** What was changed by hand must not stay for ever; `check` tells of its credits. */
function postingsIn(json: string | null): readonly Posting[] {
  try {
    const postings: unknown = JSON.parse(json ?? '[]');
    if (!Array.isArray(postings)) return [];
    return postings.filter((posting) => typeof posting?.userId === 'string');
  } catch {
    return [];
  }
}
