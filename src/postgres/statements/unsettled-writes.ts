import type { Statement } from '../sessions/session.ts';

/** That the processor $1 with the token $2 is there, and owns the partitions $3. */
const fence = `require(EXISTS (SELECT FROM f) AND $3::bigint =
    $3::bigint & (SELECT bit_or(1::bigint << part) FROM partitions WHERE owner = $1), 'lost')`;
const fencing = `f AS MATERIALIZED (
    SELECT 1 FROM processors WHERE number = $1 AND token = $2::uuid FOR KEY SHARE)`;

/** Notes the outcomes $5 of the unsettled orders $4, and requires the orders $6 to be unsettled. */
export const decideStatement: Statement = {
  name: 'decide',
  text: `WITH ${fencing},
  u AS (UPDATE pending p SET decided = x.decided
    FROM (SELECT * FROM unnest($4::bigint[], $5::text[]) AS x (seq, decided) OFFSET 0) x WHERE p.seq = x.seq RETURNING 1)
  SELECT ${fence}, require((SELECT count(*) FROM u) = cardinality($4::bigint[]), 'settled'),
    require((SELECT count(*) FROM pending WHERE seq = ANY ($6::bigint[])) = cardinality($6::bigint[]), 'settled')`,
};

/** Keeps what steps of the orders $4 have returned, as far as they are unsettled: $5. */
export const rememberStatement: Statement = {
  name: 'remember',
  text: `WITH ${fencing},
  u AS (UPDATE pending p SET remembered = x.remembered
    FROM (SELECT * FROM unnest($4::bigint[], $5::text[]) AS x (seq, remembered) OFFSET 0) x
    WHERE p.seq = x.seq RETURNING 1)
  SELECT ${fence}, (SELECT count(*) FROM u)`,
};

/** Replaces the results of the steps of a settled order. */
export const amendStatement: Statement = {
  name: 'amend',
  text: `UPDATE outcomes SET steps = $2 WHERE seq = (SELECT seq FROM orders WHERE id = $1)`,
};

export const sequencesStatement: Statement = {
  name: 'sequences',
  text: 'SELECT id, seq FROM orders WHERE id = ANY ($1::text[])',
};

export const unsettledStatement: Statement = {
  name: 'unsettled_of',
  text: 'SELECT seq FROM pending WHERE seq = ANY ($1::bigint[])',
};
