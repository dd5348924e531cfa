import type { Life } from '../members/life.ts';
import type { Session, Statement } from '../sessions/session.ts';
import { toKept } from '../values/kept-text.ts';
import { plainArray, textArray } from '../values/literals.ts';
import { type OrderRow, pendingColumns } from '../values/rows.ts';
import type { DueUser, PartitionReading } from './partitions/partition-reading.ts';

/** A row of an unsettled order. */
export interface PendingRow extends OrderRow {
  readonly part: number;
  readonly is_to_cancel: boolean;
}

/** `OFFSET 0` keeps each look-up one by its index, whatever the planner knows of tables that are empty at times. */
const order = `LATERAL (SELECT * FROM orders WHERE seq = p.seq OFFSET 0) o`;

/**
 * Nothing is read of a partition that is another processor's: this one may not have heard yet that it has lost it. The
 * losses that are counted from here on are those that could have begun the order.
 *
 * @param part - which partition
 * @param number - the processor
 */
const partition = (part: string, number: string): string =>
  `LATERAL (SELECT epoch FROM partitions WHERE part = ${part} AND owner = ${number} OFFSET 0) t`;
const columns = `${pendingColumns}, p.part, p.is_to_cancel`;

/** $1 the smallest sequence of each range, $2 the greatest, $3 its transaction, $4 partitions, $5 the processor */
const rangesStatement: Statement = {
  name: 'ranges',
  text: `SELECT ${columns}
  FROM unnest($1::bigint[], $2::bigint[], $3::xid[]) AS r(low, high, xid)
  CROSS JOIN LATERAL (
    SELECT * FROM pending WHERE seq BETWEEN r.low AND r.high AND accept_xid = r.xid AND part = ANY ($4::smallint[])
      AND not_before IS NULL OFFSET 0) p
  CROSS JOIN ${order} CROSS JOIN ${partition('p.part', '$5')}`,
};

/** $1 sequences, $2 the processor */
const listedStatement: Statement = {
  name: 'listed',
  text: `SELECT ${columns}
  FROM unnest($1::bigint[]) AS l(seq)
  CROSS JOIN LATERAL (SELECT * FROM pending WHERE seq = l.seq AND not_before IS NULL OFFSET 0) p
  CROSS JOIN ${order} CROSS JOIN ${partition('p.part', '$2')}`,
};

/**
 * $1 partitions, $2 behind which sequence, $3 over how many orders to go, $4 how many to give, $5 users to pass over,
 * $6 the processor; a row without an order says how far it has gone
 */
const pagesStatement: Statement = {
  name: 'pages',
  text: `SELECT c.part AS "pagePart", coalesce(w.seqs[$4::int], w.last) AS "readTo",
    w.scanned = c.scan OR w.seqs[$4::int] IS NOT NULL AS "hasMore", ${columns}
  FROM unnest($1::smallint[], $2::bigint[], $3::int[]) AS c(part, cursor, scan)
  CROSS JOIN LATERAL (
    SELECT max(seq) AS last, count(*) AS scanned,
      (array_agg(seq ORDER BY seq) FILTER (WHERE user_id <> ALL ($5::text[])))[1:$4::int] AS seqs
    FROM (SELECT seq, user_id FROM pending WHERE part = c.part AND seq > c.cursor AND not_before IS NULL
      ORDER BY seq LIMIT c.scan OFFSET 0) x
  ) w
  LEFT JOIN ${partition('c.part', '$6')} ON true
  LEFT JOIN LATERAL unnest(w.seqs) AS u(seq) ON t.epoch IS NOT NULL
  LEFT JOIN LATERAL (SELECT * FROM pending WHERE seq = u.seq OFFSET 0) p ON true
  LEFT JOIN ${order} ON true
  ORDER BY c.part, u.seq`,
};

/**
 * $1 users, $2 behind which sequence, $3 how many, $4 the processor; of an order that is settled, not due or not the
 * processor's nothing but its sequence
 */
const usersStatement: Statement = {
  name: 'users',
  text: `SELECT c.at::int AS at, o.seq AS scanned, ${columns}
  FROM unnest($1::text[], $2::bigint[], $3::int[]) WITH ORDINALITY AS c(user_id, cursor, most, at)
  CROSS JOIN LATERAL (
    SELECT * FROM orders WHERE user_id = c.user_id AND seq > c.cursor ORDER BY seq LIMIT c.most OFFSET 0) o
  LEFT JOIN ${partition('o.part', '$4')} ON true
  LEFT JOIN LATERAL (SELECT * FROM pending
    WHERE seq = o.seq AND not_before IS NULL AND t.epoch IS NOT NULL OFFSET 0) p ON true
  ORDER BY c.at, o.seq`,
};

/** $1 partitions, $2 behind which sequence, $3 how many of each */
const sweepStatement: Statement = {
  name: 'sweep',
  text: `SELECT p.seq, p.part, p.user_id FROM unnest($1::smallint[]) AS c(part)
  CROSS JOIN LATERAL (SELECT seq, part, user_id FROM pending
    WHERE part = c.part AND seq > $2 AND not_before IS NULL ORDER BY seq LIMIT $3::int OFFSET 0) p
  ORDER BY p.seq`,
};

/** The processor that reads. */
type Reader = Pick<Life, 'read' | 'number'>;

/** A range of sequences in which one transaction has accepted orders. */
export interface Range {
  readonly low: number;
  readonly high: number;
  readonly xid: string;
}

export function readRanges(
  { read, number }: Reader,
  ranges: readonly Range[],
  parts: readonly number[],
): Promise<PendingRow[]> {
  return read.query<PendingRow>(rangesStatement, [
    plainArray(ranges.map(({ low }) => low)),
    plainArray(ranges.map(({ high }) => high)),
    `{${ranges.map(({ xid }) => xid).join(',')}}`,
    plainArray(parts),
    number,
  ]);
}

export function readListed(
  { read, number }: Reader,
  sequences: readonly number[],
): Promise<PendingRow[]> {
  return read.query<PendingRow>(listedStatement, [plainArray(sequences), number]);
}

export interface PageRow extends Omit<PendingRow, 'seq'> {
  readonly seq: number | null;
  readonly pagePart: number;
  /** `null` where there was nothing. */
  readonly readTo: number | null;
  readonly hasMore: boolean;
}

/**
 * The next page of each partition, over the users that are held back.
 *
 * @param most - how many orders to give at most of each partition
 * @param scan - over how many orders to go at most where users are held back
 */
export function readPages(
  { read, number }: Reader,
  readings: readonly PartitionReading[],
  most: number,
  scan: number,
): Promise<PageRow[]> {
  const heldBack = readings.flatMap((reading) => [...reading.heldBack]);
  const passed = heldBack.filter(({ isDrained }) => !isDrained).map(({ id }) => toKept(id));
  return read.query<PageRow>(pagesStatement, [
    plainArray(readings.map(({ partition }) => partition.number)),
    plainArray(readings.map(({ cursor }) => cursor)),
    plainArray(readings.map((reading) => (reading.heldBack.size > 0 ? scan : most))),
    most,
    textArray(passed),
    number,
  ]);
}

export interface UserRow extends Omit<PendingRow, 'part'> {
  /** The place of its user in the query, from 1 up. */
  readonly at: number;
  readonly scanned: number;
  /** `null` of an order that is settled, not due or not the processor's. */
  readonly part: number | null;
}

/** The next page of each user. */
export function readUsers({ read, number }: Reader, due: readonly DueUser[]): Promise<UserRow[]> {
  return read.query<UserRow>(usersStatement, [
    textArray(due.map(({ user }) => toKept(user.id))),
    plainArray(due.map(({ user }) => user.cursor ?? 0)),
    plainArray(due.map(({ most }) => most)),
    number,
  ]);
}

export interface SequenceRow {
  readonly seq: number;
  readonly part: number;
  readonly user_id: string;
}

export function readSequences(
  session: Session,
  parts: readonly number[],
  after: number,
  most: number,
): Promise<SequenceRow[]> {
  return session.query(sweepStatement, [plainArray(parts), after, most]);
}
