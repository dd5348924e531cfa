import type { Statement } from '../sessions/session.ts';

/** The time of a row of a user who has no balance, as long as its transaction goes on: no movement has it. */
export const absentAt = -1;

/** What {@link settleStatement} answers. */
export interface SettledRow {
  /** What each user's balance was, in the order of the users, as an array's text; `null` without users. */
  readonly openings: string | null;
  /**
   * The settled orders that are awaited at other processors, as JSON: sequence, the processor that accepted it, and
   * those that watch it; `null` if there are none.
   */
  readonly awaited: string | null;
}

/** Of each balance that the call changes or has decided by: $5 the users by their bytes. */
const balances = `b AS (
    INSERT INTO balances AS b (user_id, balance, applied_at, opening, opened_at)
    SELECT * FROM unnest($5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
    ON CONFLICT (user_id) DO UPDATE SET balance = b.balance + excluded.balance, opening = b.balance,
      applied_at = greatest(b.applied_at, excluded.applied_at), opened_at = b.applied_at
    WHERE b.balance BETWEEN excluded.opening AND excluded.opened_at
    RETURNING user_id, xmax <> 0 AS is_old, opening, opened_at),
  a AS MATERIALIZED (
    SELECT count(*) AS count, bool_and(is_old OR 0 BETWEEN opening AND opened_at) AS fit,
      array_agg(CASE WHEN is_old THEN opening ELSE 0 END ORDER BY user_id) AS openings,
      array_agg(CASE WHEN is_old THEN opened_at ELSE 0 END ORDER BY user_id) AS opened
    FROM b)`;

/**
 * The credits to other users: the place of their settlement in the call, its order, the place of the user among the
 * users, what was added to that one's balance by then, the amount, the time by then, the user.
 */
const credits = `k AS MATERIALIZED (
    SELECT x.place, x.seq, x.user_id, x.amount, x.at, (a.openings)[x.account] + x.prefix AS balance,
      greatest((a.opened)[x.account], x.applied_at) AS applied_at
    FROM unnest($30::int[], $31::bigint[], $32::int[], $33::bigint[], $34::bigint[], $35::bigint[], $36::text[])
      WITH ORDINALITY AS x (place, seq, account, prefix, amount, applied_at, user_id, at), a),
  c AS (INSERT INTO credits (user_id, settlement, seq, amount, balance, applied_at)
    SELECT k.user_id, (n.numbers)[1 + (k.place - 1) / 1024] * 1024 + (k.place - 1) % 1024, k.seq, k.amount,
      k.balance, k.applied_at FROM k, n),
  kb AS MATERIALIZED (SELECT array_agg(balance ORDER BY at) AS balances FROM k),`;

/**
 * Settles orders in one transaction, or raises what is not as required: the processor is there and owns all
 * partitions ($3; `null` for changes that no processor makes), all orders are unsettled, each balance is in the interval
 * ($8 to $9) in which the decisions are right.
 *
 * A `CTE` does its work when it is first read: the balances are locked, in their order, before the number of the
 * settlement is drawn, behind the lock of settlements ($10, $11). No join, and no plan that could turn.
 */
const settleText = (hasCredits: boolean): string => `WITH f AS MATERIALIZED (
    SELECT 1 FROM processors WHERE number = $1 AND token = $2::uuid FOR KEY SHARE),
  d AS (DELETE FROM pending WHERE seq = ANY ($4::bigint[]) RETURNING seq, origin, watchers),
  ${balances},
  g AS MATERIALIZED (
    SELECT require($3::bigint IS NULL OR (EXISTS (SELECT FROM f) AND $3::bigint =
        $3::bigint & (SELECT bit_or(1::bigint << part) FROM partitions WHERE owner = $1)), 'lost'),
      require((SELECT count(*) FROM d) = cardinality($4::bigint[]), 'settled'),
      require(a.count = cardinality($5::text[]) AND a.fit IS NOT FALSE, 'balance'),
      pg_advisory_xact_lock_shared($10::int, $11::int)::text AS lock
    FROM a),
  n AS MATERIALIZED (
    SELECT ARRAY(SELECT nextval('settlement_sequence')
      FROM generate_series(0, (cardinality($12::bigint[]) - 1) / 1024)) AS numbers
    FROM g WHERE g.lock IS NOT NULL),
  ${hasCredits ? credits : ''}
  o AS (INSERT INTO outcomes (seq, settlement, amount, started_at, settled_at, applied_at, balance, status, retryable,
      user_id, code, message, cause, steps, results, postings, balances)
    SELECT s.seq, (n.numbers)[1 + (s.place - 1) / 1024] * 1024 + (s.place - 1) % 1024, s.amount, s.started_at,
      s.settled_at, greatest((a.opened)[s.account], coalesce(s.applied_at, s.settled_at)),
      (a.openings)[s.account] + s.prefix, s.status, s.retryable, s.user_id, s.code, s.message, s.cause, s.steps,
      s.results, s.postings, ${hasCredits ? '(kb.balances)[s.first_credit:s.last_credit]' : 'NULL'}
    FROM unnest($12::bigint[], $13::int[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[],
      $19::smallint[], $20::boolean[], $21::text[], $22::text[], $23::text[], $24::text[], $25::text[], $26::text[],
      $27::text[], $28::int[], $29::int[]) WITH ORDINALITY
      AS s (seq, account, prefix, amount, started_at, settled_at, applied_at, status, retryable, user_id, code,
        message, cause, steps, results, postings, first_credit, last_credit, place), a, n${hasCredits ? ', kb' : ''})
  SELECT a.openings::text AS openings, (SELECT json_agg(json_build_array(seq, origin, watchers))::text FROM d
    WHERE origin <> $1 OR watchers IS NOT NULL) AS awaited FROM a, g`;

export const settleStatement: Statement = { name: 'settle', text: settleText(false) };

/** The same with credits to other users. */
export const settleCreditsStatement: Statement = {
  name: 'settle_credits',
  text: settleText(true),
};

/**
 * Of a user without a balance nothing is left behind a decision that changed none: its row was there for that alone, so
 * that credits of other processors come before the call or behind it. $1 the users
 */
export const removeAbsentStatement: Statement = {
  name: 'remove_absent',
  text: `DELETE FROM balances WHERE user_id = ANY ($1::text[]) AND applied_at = ${absentAt}`,
};
