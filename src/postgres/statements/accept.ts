import type { Statement, Value } from '../sessions/session.ts';
import type { AcceptedColumns } from '../values/accepted-columns.ts';
import { plainArray, plainColumn, textArray, textColumn } from '../values/literals.ts';
import { inNote } from './notify.ts';

/** The columns of `orders`, each with what it takes, in the order of {@link columnArrays}. */
const columns = {
  id: 'text',
  user_id: 'text',
  part: 'smallint',
  amount: 'bigint',
  priority: 'smallint',
  accepted_at: 'bigint',
  not_before: 'bigint',
  expires_at: 'bigint',
  payload: 'text',
  content: 'text',
  labels: 'text',
  postings: 'text',
  retry_of: 'text',
  trace: 'text',
} as const;

const names = Object.keys(columns).join(', ');
const arrays = Object.values(columns).map((type, at) => `$${at + 1}::${type}[]`);
const count = arrays.length;

/**
 * Orders with their sequences, which are drawn in their order. They are inserted in the order of their ids, so that two
 * calls with the same ids wait for each other and never both; of two with one id the first is kept. The transaction has
 * its number before it draws: it is a later one than all whose orders have lower sequences and were answered.
 */
const inserted = (more: string): string => `i AS MATERIALIZED (
    SELECT CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('order_sequence') END AS seq, u.*
    FROM unnest(${arrays.join(', ')}${more === '' ? '' : `, $${count + 1}::boolean[]`}) AS u (${names}${more})),
  o AS (INSERT INTO orders (seq, ${names}) SELECT seq, ${names} FROM i ORDER BY id, seq
    ON CONFLICT (id) DO NOTHING RETURNING seq)`;

/** What {@link acceptStatement} and {@link insertStatement} answer. */
export interface InsertedRow {
  /** The sequence that was drawn for each order, as an array's text. */
  readonly drawn: string;
  /** How many are kept. */
  readonly count: number;
  /** Of which sequences, where that is not all of them. */
  readonly kept: string | null;
  /** Of which of them the time has not come by the server's clock; only where it is asked for. */
  readonly delayed?: string | null;
  /** The partitions that the processor owned in that instant: the bit of each, in hex; only of {@link acceptStatement}. */
  readonly owned?: string | null;
}

const answer = (table: string): string => `(SELECT array_agg(seq)::text FROM i) AS drawn, r.count,
    CASE WHEN r.count < (SELECT count(*) FROM i) THEN (SELECT array_agg(seq)::text FROM ${table}) END AS kept`;

/** What is noted is of orders whose time has come: those that wait have other notes. */
const acceptText = (areTimed: boolean): string => {
  const now = '(extract(epoch FROM clock_timestamp()) * 1000)::bigint';
  const notBefore = areTimed
    ? `CASE WHEN i.not_before > ${now} THEN i.not_before END`
    : 'NULL::bigint';
  const due = areTimed ? 'FILTER (WHERE not_before IS NULL)' : '';
  return `WITH ${inserted(', is_awaited')},
  p AS (INSERT INTO pending (seq, not_before, epoch, origin, part, user_id)
    SELECT i.seq, ${notBefore}, t.epoch, CASE WHEN i.is_awaited THEN $${count + 2}::integer END, i.part, i.user_id
    FROM i JOIN o USING (seq) JOIN partitions t USING (part) RETURNING seq, part, not_before),
  r AS MATERIALIZED (SELECT count(*)::int AS count, min(seq) ${due} AS low, max(seq) ${due} AS high,
    to_hex(bit_or(1::bigint << part) ${due}) AS bits FROM p)
  SELECT ${answer('p')},${areTimed ? ' (SELECT array_agg(seq)::text FROM p WHERE not_before IS NOT NULL) AS delayed,' : ''}
    (SELECT to_hex(bit_or(1::bigint << part)) FROM partitions WHERE owner = $${count + 2}::integer) AS owned,
    set_config('op.note', CASE WHEN r.low IS NOT NULL THEN concat_ws(' ', $${count + 2}::integer,
    $${count + 3}::integer, r.bits, r.low, r.high, pg_current_xact_id()::xid) ELSE '' END, false) AS note FROM r`;
};

/**
 * Keeps orders. What other processors are to be notified of is left in a setting of the session, for {@link
 * noteStatement}. Behind the columns: whether each outcome is awaited, the processor, the call.
 */
export const acceptStatement: Statement = { name: 'accept', text: acceptText(false) };

/** The same where some orders have a `notBefore`. */
export const acceptTimedStatement: Statement = { name: 'accept_timed', text: acceptText(true) };

/** Adds orders that come with their settlement. It requires all ids to be free. */
export const insertStatement: Statement = {
  name: 'insert',
  text: `WITH ${inserted('')}, r AS MATERIALIZED (SELECT count(*)::int AS count FROM o)
  SELECT ${answer('o')}, require(r.count = (SELECT count(*) FROM i), 'settled') FROM r`,
};

/**
 * Notifies of the orders that the statement before it kept, in a transaction of its own that waits for no disk: a
 * transaction that notifies holds back all others of the database that do, until it is on the disk. $1 is the channel,
 * $2 what the note begins with.
 */
export const noteStatement: Statement = {
  name: 'note',
  text: `SELECT ${inNote}, pg_notify($1, current_setting('op.note'))
  WHERE starts_with(current_setting('op.note', true), $2)`,
};

/** Fails if no order could be kept now. No caller's id is empty. */
export const probe = {
  insert: {
    name: 'probe',
    text: `INSERT INTO orders (seq, amount, accepted_at, part, priority, id, user_id, payload)
      VALUES (nextval('order_sequence'), 0, 0, 0, 1, '', '', $1)`,
  },
  remove: { name: 'probe_end', text: `DELETE FROM orders WHERE id = ''` },
} as const satisfies Record<string, Statement>;

export function columnArrays(orders: readonly AcceptedColumns[]): Value[] {
  return [
    textArray(orders.map(({ id }) => id)),
    textArray(orders.map(({ userId }) => userId)),
    plainArray(orders.map(({ part }) => part)),
    plainArray(orders.map(({ amount }) => amount)),
    plainArray(orders.map(({ priority }) => priority)),
    plainArray(orders.map(({ acceptedAt }) => acceptedAt)),
    plainColumn(orders.map(({ notBefore }) => notBefore)),
    plainColumn(orders.map(({ expiresAt }) => expiresAt)),
    textColumn(orders.map(({ payload }) => payload)),
    textColumn(orders.map(({ content }) => content)),
    textColumn(orders.map(({ labels }) => labels)),
    textColumn(orders.map(({ postings }) => postings)),
    textColumn(orders.map(({ retryOf }) => retryOf)),
    textColumn(orders.map(({ trace }) => trace)),
  ];
}
