import type { Statement } from '../sessions/session.ts';
import { fenceOf, fencing } from './fence.ts';

/** $1 number, $2 token, $3 the user's partition, $4 the user, $5 since when, $6 the hold */
export const holdStatement: Statement = {
  name: 'hold_fenced',
  text: `WITH ${fencing}, k AS (
    INSERT INTO holds (user_id, part, held_at, hold) VALUES ($4::text, $3::smallint, $5::bigint, $6::text)
    ON CONFLICT (user_id) DO UPDATE SET held_at = excluded.held_at, hold = excluded.hold)
  SELECT ${fenceOf()}`,
};

/** $4 the user */
export const releaseStatement: Statement = {
  name: 'release_fenced',
  text: `WITH ${fencing}, e AS (DELETE FROM holds WHERE user_id = $4::text) SELECT ${fenceOf()}`,
};

/** $4 the user, $5 the id of the order that is tried again, $6 its compensations */
export const releaseRetriedStatement: Statement = {
  name: 'release_retried',
  text: `WITH ${fencing}, e AS (DELETE FROM holds WHERE user_id = $4::text),
  u AS (UPDATE pending SET decided = NULL, compensations = $6::text
    WHERE seq = (SELECT seq FROM orders WHERE id = $5::text))
  SELECT ${fenceOf()}`,
};

/** Replaces the results $4 of the steps of a settled order $3. */
export const amendStatement: Statement = {
  name: 'amend',
  text: `WITH ${fencing}, o AS MATERIALIZED (SELECT seq, part FROM orders WHERE id = $3),
  u AS (UPDATE outcomes SET steps = $4 WHERE seq = (SELECT seq FROM o))
  SELECT ${fenceOf('o.part')} FROM o`,
};
