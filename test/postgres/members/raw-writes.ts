/** Accepting and settling by the least SQL that does: so a test can leave a part out, or stop between two. */
import type { StoredOrder } from 'order-processor';
import type { Life } from '../../../src/postgres/members/life.ts';
import type { Membership } from '../../../src/postgres/members/membership.ts';
import type { Session } from '../../../src/postgres/sessions/session.ts';
import { integersOf, plainArray, textArray } from '../../../src/postgres/values/literals.ts';
import { partitionOf } from '../../../src/postgres/values/partition.ts';

export interface RawOrder {
  readonly id: string;
  readonly userId: string;
  readonly notBefore?: number;
}

const acceptText = `WITH i AS MATERIALIZED (
    SELECT CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('order_sequence') END AS seq, u.*
    FROM unnest($1::text[], $2::text[], $3::smallint[], $4::bigint[]) AS u(id, user_id, part, not_before)),
  o AS (INSERT INTO orders (seq, id, user_id, part, not_before, amount, priority, accepted_at)
    SELECT seq, id, user_id, part, not_before, 1, 1, 1 FROM i ORDER BY id ON CONFLICT DO NOTHING RETURNING seq),
  p AS (INSERT INTO pending (seq, epoch, part, user_id, origin)
    SELECT i.seq, t.epoch, i.part, i.user_id, $5::int
    FROM i JOIN o USING (seq) JOIN partitions t USING (part) RETURNING seq, part)
  SELECT array_agg(seq ORDER BY seq)::text AS drawn,
    (SELECT to_hex(bit_or(1::bigint << part)) FROM partitions WHERE owner = $5::int) AS owned,
    set_config('op.note', concat_ws(' ', $5::int, $6::int, (SELECT to_hex(bit_or(1::bigint << part)) FROM p),
      min(seq), max(seq), pg_current_xact_id()::xid), false) AS note FROM i`;

const noteText = `SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, current_setting('op.note'))`;

const settleText = `WITH f AS MATERIALIZED (
    SELECT 1 FROM processors WHERE number = $1 AND token = $2::uuid FOR KEY SHARE),
  d AS (DELETE FROM pending WHERE seq = ANY ($3::bigint[]) RETURNING seq, part, user_id, origin, watchers),
  o AS (INSERT INTO outcomes (seq, settlement, amount, settled_at, applied_at, balance, status, user_id)
    SELECT seq, 1024 * nextval('settlement_sequence'), 1, 1, 1, 1, 1, user_id FROM (SELECT * FROM d ORDER BY seq) x RETURNING 1),
  n AS (SELECT DISTINCT w FROM d, unnest(array_append(watchers, origin)) w WHERE w <> $1)
  SELECT require((SELECT count(*) FROM f) = 1 AND NOT EXISTS (
      SELECT FROM unnest($4::smallint[]) x WHERE x NOT IN (SELECT part FROM partitions WHERE owner = $1)), 'lost'),
    require((SELECT count(*) FROM d) = cardinality($3::bigint[]), 'settled'), (SELECT count(*) FROM o),
    (SELECT count(pg_notify($5 || w, array_to_string($3::bigint[], ' '))) FROM n)`;

let calls = 0;

/** @returns the orders, with their sequences */
export async function accept(
  members: Membership,
  orders: readonly RawOrder[],
  partitions = 8,
): Promise<StoredOrder[]> {
  const { life } = members;
  const { kept, note } = sendAccept(life, members, orders, partitions);
  const noted = note();
  noted.catch(() => {});
  const answer = await kept;
  const parts = orders.map(({ userId }) => partitionOf(userId, partitions));
  members.accepted(life, { ...answer, parts });
  members.awaits(answer.orders);
  await noted;
  return answer.orders;
}

/** Sends a call; its note is to be sent behind it. */
export function sendAccept(
  life: Life,
  { channels }: Membership,
  orders: readonly RawOrder[],
  partitions = 8,
): {
  kept: Promise<{ call: number; orders: StoredOrder[]; owned: string | null }>;
  note: () => Promise<unknown>;
} {
  calls += 1;
  const call = calls;
  const kept = keep(life.accept, life.number, call, orders, partitions);
  return {
    kept: kept.then((answer) => ({ call, ...answer })),
    note: () => life.accept.query(noteText, [channels.accepted]),
  };
}

/** Accepts orders without a note. */
export async function insert(
  session: Session,
  processor: number,
  call: number,
  orders: readonly RawOrder[],
  partitions = 8,
): Promise<StoredOrder[]> {
  return (await keep(session, processor, call, orders, partitions)).orders;
}

async function keep(
  session: Session,
  processor: number,
  call: number,
  orders: readonly RawOrder[],
  partitions: number,
): Promise<{ readonly orders: StoredOrder[]; readonly owned: string | null }> {
  const [row] = await session.query<{ drawn: string; owned: string | null }>(acceptText, [
    textArray(orders.map(({ id }) => id)),
    textArray(orders.map(({ userId }) => userId)),
    plainArray(orders.map(({ userId }) => partitionOf(userId, partitions))),
    plainArray(orders.map(({ notBefore }) => notBefore ?? null)),
    processor,
    call,
  ]);
  const drawn = integersOf(row?.drawn ?? null);
  const kept = orders.map((order, at) => stored(order, drawn[at] as number));
  return { orders: kept, owned: row?.owned ?? null };
}

/** @throws `lost` or `settled` */
export async function settle(
  members: Membership,
  life: Life,
  orders: readonly Pick<StoredOrder, 'sequence' | 'userId'>[],
  partitions = 8,
): Promise<void> {
  const sequences = orders.map(({ sequence }) => sequence);
  const parts = orders.map(({ userId }) => partitionOf(userId, partitions));
  const values = [
    life.number,
    life.token,
    plainArray(sequences),
    plainArray(parts),
    members.channels.outcomesPrefix,
  ];
  try {
    await life.settle.query(settleText, values);
  } catch (error) {
    if ((error as Error).message === 'lost') members.lost(life, parts);
    throw error;
  }
  members.settled(life, sequences, parts);
}

function stored({ id, userId, ...times }: RawOrder, sequence: number): StoredOrder {
  return {
    id,
    userId,
    sequence,
    amount: 1,
    orderedAmount: 1,
    priority: 'medium',
    payload: undefined,
    content: undefined,
    labels: [],
    postings: [],
    status: 'pending',
    acceptedAt: 1,
    startedAt: undefined,
    settledAt: undefined,
    balance: undefined,
    code: undefined,
    message: undefined,
    retryable: undefined,
    cause: undefined,
    steps: [],
    results: {},
    attempt: 1,
    remembered: [],
    decided: undefined,
    settlement: undefined,
    ...times,
  };
}
