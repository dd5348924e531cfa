import type { Statement } from '../sessions/session.ts';
import { fence, fencing } from './fence.ts';

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

export const sequencesStatement: Statement = {
  name: 'sequences',
  text: 'SELECT id, seq FROM orders WHERE id = ANY ($1::text[])',
};

export const unsettledStatement: Statement = {
  name: 'unsettled_of',
  text: 'SELECT seq FROM pending WHERE seq = ANY ($1::bigint[])',
};
