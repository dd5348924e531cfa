import { quote } from '../../core/runtime/thrown.ts';
import type { StoredBalance } from '../../core/storage/history/history-storage.ts';
import { withJsonResults } from '../../core/storage/holds/held-failure.ts';
import type { StoredHold } from '../../core/storage/holds/hold.ts';
import type { Statement, Value } from '../sessions/session.ts';
import { toKept } from '../values/kept-text.ts';
import { partitionOf } from '../values/partition.ts';
import { UnusableSource } from './import-source.ts';
import { keepState } from './import-state.ts';
import { PageColumns } from './page-columns.ts';

const balances = new PageColumns<StoredBalance>([
  ['user_id', 'text', ({ userId }) => toKept(userId)],
  ['balance', 'bigint', ({ balance }) => balance],
  ['known_from', 'bigint', ({ knownFrom }) => knownFrom],
]);

/** A column of the last, or the first, movement of a user in each of the two tables. */
const movementsOf = (columns: string, where: string, order: string): string =>
  [
    `(SELECT ${columns} FROM outcomes WHERE user_id = x.user_id AND balance IS NOT NULL`,
    `(SELECT ${columns} FROM credits WHERE user_id = x.user_id`,
  ]
    .map((select) => `${select} ${where} ORDER BY settlement ${order} LIMIT 1)`)
    .join(' UNION ALL ');

/**
 * Writes balances behind all orders, and with them how far the import is: $1. $2 is up to which settlement movements may
 * be missing: what those have left is what no order that is there has changed.
 */
const balancesStatement: Statement = {
  name: 'import_balances',
  text: `WITH m AS MATERIALIZED (
    SELECT x.*, s.total, coalesce(f.opening, x.balance) AS opening,
      greatest(l.applied_at, x.known_from, 0) AS applied_at
    FROM ${balances.rows(3)}
    CROSS JOIN LATERAL (SELECT coalesce(sum(amount), 0) AS total FROM (
      SELECT amount::numeric FROM outcomes WHERE user_id = x.user_id AND balance IS NOT NULL
      UNION ALL SELECT amount FROM credits WHERE user_id = x.user_id) movements OFFSET 0) s
    LEFT JOIN LATERAL (SELECT max(applied_at) AS applied_at
      FROM (${movementsOf('applied_at, settlement', '', 'DESC')}) last OFFSET 0) l ON true
    LEFT JOIN LATERAL (SELECT balance - amount AS opening
      FROM (${movementsOf('balance, amount, settlement', 'AND settlement > $2::bigint', 'ASC')}) first
      ORDER BY settlement LIMIT 1) f ON true),
  b AS (INSERT INTO balances (user_id, balance, applied_at, opening, opened_at)
    SELECT user_id, balance, applied_at, balance, applied_at FROM m),
  o AS (INSERT INTO openings (user_id, amount, balance, settlement, applied_at)
    SELECT user_id, balance - total, opening, $2::bigint, known_from FROM m WHERE known_from IS NOT NULL)
  ${keepState}`,
};

/**
 * @param forgotten - see `SourceMark`
 * @param state - how far the import is with the page
 * @throws UnusableSource for a balance that is no safe integer
 */
export function balancesWrite(
  page: readonly StoredBalance[],
  forgotten: number,
  state: string,
): readonly [Statement, Value[]] {
  for (const { userId, balance } of page) {
    if (Number.isSafeInteger(balance)) continue;
    throw new UnusableSource(
      `The balance of user ${quote(userId)} cannot be taken over: ${balance} is no safe integer`,
    );
  }
  return [balancesStatement, [state, forgotten, ...balances.values(page)]];
}

/** A hold, and the partition of its user. */
interface PlacedHold extends StoredHold {
  readonly part: number;
}

const holds = new PageColumns<PlacedHold>([
  ['user_id', 'text', ({ userId }) => toKept(userId)],
  ['part', 'smallint', ({ part }) => part],
  ['held_at', 'bigint', ({ heldAt }) => heldAt],
  ['hold', 'text', (hold) => holdJson(hold)],
]);

/** Writes holds, and with them how far the import is: $1. */
const holdsStatement: Statement = {
  name: 'import_holds',
  text: `WITH h AS (INSERT INTO holds (${holds.names}) SELECT * FROM ${holds.rows(2)})
  ${keepState}`,
};

/**
 * @param partitions - how many there are
 * @param state - how far the import is with the page
 */
export function holdsWrite(
  page: readonly StoredHold[],
  partitions: number,
  state: string,
): readonly [Statement, Value[]] {
  const placed = page.map((hold) => {
    return { ...hold, part: partitionOf(toKept(hold.userId), partitions) };
  });
  return [holdsStatement, [state, ...holds.values(placed)]];
}

function holdJson({ userId: _userId, heldAt: _heldAt, part: _part, ...hold }: PlacedHold): string {
  const { failure } = hold;
  return JSON.stringify(failure ? { ...hold, failure: withJsonResults(failure) } : hold);
}
