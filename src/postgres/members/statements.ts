import { isImporting } from '../schema/unfinished-import.ts';
import { serverMs } from '../sessions/server-clock.ts';
import type { Statement } from '../sessions/session.ts';

/** One time of a processor. */
export interface Peer {
  readonly number: number;
  readonly token: string;
  readonly pids: readonly number[];
}

/** A processor, as a beat finds it. */
export interface PeerRow extends Peer {
  readonly shares: boolean;
  readonly follows: boolean;
  /** Its beat is older than allowed, by the server's clock. */
  readonly isStale: boolean;
  /** Its session has ended, and with it its lock. */
  readonly isGone: boolean;
  /** The partitions that it owns, as an array's text; `null` for none. */
  readonly parts: string | null;
  /** Whether the processor that asks is still in the table. */
  readonly isHere: boolean;
  /** The server's clock, in Unix milliseconds. */
  readonly serverAt: number;
}

/** $1 number, $2 token, $3 name, $4 pids, $5 whether it is to own partitions. None joins before an import has finished. */
export const addStatement: Statement = {
  name: 'add',
  text: `INSERT INTO processors (number, token, name, pids, shares)
  SELECT $1::int, $2::uuid, $3::text, $4::int[], $5::boolean WHERE NOT ${isImporting()} RETURNING number`,
};

/** $1 number, $2 token, $3 milliseconds until a beat is stale, $4 the locks' key */
export const beatStatement: Statement = {
  name: 'beat',
  text: `WITH b AS (
    UPDATE processors SET beat_at = clock_timestamp() WHERE number = $1 AND token = $2::uuid RETURNING 1)
  SELECT p.number, p.token, p.pids, p.shares, p.follows,
    p.beat_at < clock_timestamp() - $3::int * interval '1 ms' AS "isStale",
    pg_try_advisory_xact_lock_shared($4::int, p.number) AS "isGone",
    (SELECT array_agg(part)::text FROM partitions WHERE owner = p.number) AS parts,
    EXISTS (SELECT FROM b) AS "isHere", ${serverMs}::float8 AS "serverAt"
  FROM processors p ORDER BY p.number`,
};

/** $1 number, $2 token, $3 how many at most */
export const takeStatement: Statement = {
  name: 'take',
  text: `UPDATE partitions SET owner = $1
  WHERE part IN (SELECT part FROM partitions WHERE owner IS NULL ORDER BY part LIMIT $3::int FOR UPDATE SKIP LOCKED)
    AND EXISTS (SELECT FROM processors WHERE number = $1 AND token = $2::uuid)
  RETURNING part`,
};

/** $1 number, $2 token, $3 the partitions, which the table has as the processor's: their orders may have begun */
export const retakeStatement: Statement = {
  name: 'retake',
  text: `UPDATE partitions SET epoch = epoch + 1
  WHERE part = ANY ($3::smallint[]) AND owner = $1
    AND EXISTS (SELECT FROM processors WHERE number = $1 AND token = $2::uuid)
  RETURNING part`,
};

/** $1 number, $2 the partitions, $3 how many epochs are added, $4 the channel for control */
export const giveStatement: Statement = {
  name: 'give',
  text: `WITH u AS (
    UPDATE partitions SET owner = NULL, epoch = epoch + $3::int
    WHERE part = ANY ($2::smallint[]) AND owner = $1 RETURNING 1)
  SELECT pg_notify($4, 'free') FROM u LIMIT 1`,
};

/** $1 number, $2 token, $3 whether it is to own partitions, $4 the channel for control */
export const shareStatement: Statement = {
  name: 'share',
  text: `WITH u AS (
    UPDATE processors SET shares = $3 WHERE number = $1 AND token = $2::uuid RETURNING 1)
  SELECT pg_notify($4, 'shares') FROM u`,
};

/** $1 number, $2 token, $3 whether it is to hear of all settlements, $4 the channel for control */
export const followStatement: Statement = {
  name: 'follow',
  text: `WITH u AS (
    UPDATE processors SET follows = $3 WHERE number = $1 AND token = $2::uuid RETURNING 1)
  SELECT pg_notify($4, 'follows') FROM u`,
};

/** $1 number, $2 token, $3 milliseconds until a beat is stale, $4 the locks' key, $5 whether it is over in any case */
export const deadStatement: Statement = {
  name: 'dead',
  text: `SELECT 1 FROM processors WHERE number = $1 AND token = $2::uuid
    AND ($5 OR beat_at < clock_timestamp() - $3::int * interval '1 ms' OR pg_try_advisory_xact_lock_shared($4::int, $1))
  FOR UPDATE`,
};

/** $1 number; its orders that are unsettled may have begun */
export const disownStatement: Statement = {
  name: 'disown',
  text: 'UPDATE partitions SET owner = NULL, epoch = epoch + 1 WHERE owner = $1',
};

/** $1 number, $2 token, $3 the channel for control, $4 what to say there */
export const removeStatement: Statement = {
  name: 'remove',
  text: `WITH d AS (DELETE FROM processors WHERE number = $1 AND token = $2::uuid RETURNING 1)
  SELECT pg_notify($3, $4) FROM d`,
};

/** $1 pids, $2 token: a pid may be another session's by now */
export const terminateStatement: Statement = {
  name: 'terminate',
  text: `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE pid = ANY ($1::int[]) AND right(application_name, 36) = $2`,
};
