import type {
  Movement,
  PastBalance,
  StoredMovementPage,
  StoredMovementQuery,
} from '../../../core/storage/history/history-storage.ts';
import { beyond, beyondBalance } from '../../../core/storage/reading/unreadable-orders.ts';
import type { Session } from '../../sessions/session.ts';
import { fromKept, toKept } from '../../values/kept-text.ts';

const { MAX_SAFE_INTEGER: most } = Number;

/** A table of movements of users, each with an index by `(user_id, settlement)`. `$1` is the user everywhere. */
interface Source {
  readonly table: 'outcomes' | 'credits';
  /** Which rows are movements. */
  readonly where: string;
}

const own: Source = { table: 'outcomes', where: 'AND balance IS NOT NULL' };
const credited: Source = { table: 'credits', where: '' };

/** What pruned movements have left of the user. */
const opening = '(SELECT settlement FROM openings WHERE user_id = $1::text)';

/**
 * Movements of a source behind a settlement, up to another one. Compared and ordered by all columns of the index, so
 * that no other one can look cheaper.
 */
function movementsOf({ table, where }: Source, after: string, upTo: string): string {
  return `SELECT seq, settlement, amount, balance, applied_at FROM ${table}
    WHERE (user_id, settlement) > ($1::text, ${after}) AND (user_id, settlement) <= ($1::text, ${upTo})
    ${where} ORDER BY user_id, settlement`;
}

/**
 * The last settlement of a source whose time is not above one; `after` if there is none behind that. Times never go
 * back from one movement of a user to the next, so halving the numbers between finds it.
 */
function lastUpTo(source: Source, time: string, after: string): string {
  return `(WITH RECURSIVE search (low, high) AS (
      SELECT ${after}, (SELECT max(settlement) FROM ${source.table} WHERE user_id = $1::text ${source.where}) + 1
    UNION ALL
      SELECT CASE WHEN m.applied_at <= ${time} THEN m.settlement ELSE search.low END,
        CASE WHEN m.applied_at <= ${time} THEN search.high ELSE (search.low + search.high - 1) / 2 + 1 END
      FROM search LEFT JOIN LATERAL (
        ${movementsOf(source, '(search.low + search.high - 1) / 2', 'search.high - 1')} LIMIT 1) m ON true
      WHERE search.high - search.low > 1)
    SELECT max(low) FROM search)`;
}

/** `$2` to `$4`: behind which settlement, and how many. With times: `$4` is above the first, `$5` the last. */
function pageOf(hasTimes: boolean): string {
  const behind = `greatest($2::bigint, ${opening})`;
  const boundOf = (source: Source, time: string, after: string): string =>
    hasTimes ? lastUpTo(source, time, after) : after;
  const limits = hasTimes
    ? `SELECT b.opened, greatest(b.after, ${boundOf(own, '$4::bigint', '0::bigint')}) AS own_after,
        ${boundOf(own, '$5::bigint', '0::bigint')} AS own_up_to,
        greatest(b.after, ${boundOf(credited, '$4::bigint', '0::bigint')}) AS credited_after,
        ${boundOf(credited, '$5::bigint', '0::bigint')} AS credited_up_to
      FROM (SELECT ${behind} AS after, ${opening} AS opened OFFSET 0) b OFFSET 0`
    : `SELECT ${opening} AS opened, ${behind} AS own_after, ${most}::bigint AS own_up_to,
        ${behind} AS credited_after, ${most}::bigint AS credited_up_to OFFSET 0`;
  return `SELECT b.opened, m.settlement, m.amount, m.balance, o.id, s.settled_at FROM (${limits}) b
    LEFT JOIN LATERAL (
      SELECT * FROM (${movementsOf(own, 'b.own_after', 'b.own_up_to')} LIMIT $3::int) own
      UNION ALL
      SELECT * FROM (${movementsOf(credited, 'b.credited_after', 'b.credited_up_to')} LIMIT $3::int) credited
      ORDER BY settlement LIMIT $3::int) m ON true
    LEFT JOIN LATERAL (SELECT id FROM orders WHERE seq = m.seq OFFSET 0) o ON true
    LEFT JOIN LATERAL (SELECT settled_at FROM outcomes WHERE seq = m.seq OFFSET 0) s ON true
    ORDER BY m.settlement`;
}

const page = { name: 'movements_page', text: pageOf(false) };
const timedPage = { name: 'movements_timed_page', text: pageOf(true) };

/** A number beyond the safe integers is a `bigint`. */
interface Row {
  readonly opened: number | null;
  readonly id: string | null;
  /** `null` in the one row of a page without movements. */
  readonly settlement: number | null;
  readonly amount: number;
  readonly balance: number;
  readonly settled_at: number | null;
}

/**
 * One page of a user's movements: own orders and credits, in the order applied.
 *
 * @throws (rejects) UnreadableOrder
 */
export async function movementPage(
  session: Session,
  { userId, after, from, before, limit }: StoredMovementQuery,
): Promise<StoredMovementPage> {
  const values = [toKept(userId), after, limit + 1];
  const times = [Math.ceil(from ?? -most) - 1, Math.ceil(before ?? most + 1) - 1];
  const rows =
    from === undefined && before === undefined
      ? await session.query<Row>(page, values)
      : await session.query<Row>(timedPage, [...values, ...times]);
  const moved = rows.filter(({ settlement }) => settlement !== null);
  const movements = moved.slice(0, limit).map((row) => movementOf(row, userId));
  const next = moved.length > limit ? movements.at(-1)?.sequence : undefined;
  return { movements, next, forgotten: rows[0]?.opened ?? 0 };
}

function movementOf(
  { id, settlement, amount, balance, settled_at }: Row,
  userId: string,
): Movement {
  const orderId = fromKept(id ?? '');
  for (const number of [amount, balance, settled_at]) {
    if (!Number.isSafeInteger(number)) throw beyond(orderId);
  }
  const settledAt = settled_at as number;
  return { orderId, userId, amount, balance, settledAt, sequence: settlement as number };
}

/** `$2` is the time. */
const pastBalance = {
  name: 'balance_at',
  text: `SELECT m.balance, p.balance AS opening, p.applied_at
    FROM (SELECT (SELECT settlement FROM openings WHERE user_id = $1::text) AS settlement OFFSET 0) b
    LEFT JOIN openings p ON p.user_id = $1::text
    LEFT JOIN LATERAL (
      SELECT settlement, balance FROM outcomes
      WHERE settlement = ${lastUpTo(own, '$2::bigint', 'coalesce(b.settlement, 0)')} AND user_id = $1::text
      UNION ALL
      SELECT settlement, balance FROM credits
      WHERE settlement = ${lastUpTo(credited, '$2::bigint', 'coalesce(b.settlement, 0)')} AND user_id = $1::text
      ORDER BY settlement DESC LIMIT 1) m ON true`,
};

/**
 * The balance after the user's last movement up to a time.
 *
 * @throws (rejects) Error if it is no safe integer
 */
export async function balanceAt(
  session: Session,
  userId: string,
  time: number,
): Promise<PastBalance> {
  const [row] = await session.query<{
    readonly balance: number | bigint | null;
    readonly opening: number | bigint | null;
    readonly applied_at: number | null;
  }>(pastBalance, [toKept(userId), Math.max(-most, Math.min(Math.floor(time), most))]);
  const { balance = null, opening = null, applied_at: appliedAt = null } = row ?? {};
  if (balance === null && appliedAt !== null && time < appliedAt) {
    return { balance: undefined, isForgotten: true };
  }
  const past = balance ?? opening ?? undefined;
  if (typeof past === 'bigint') throw beyondBalance(userId, past);
  return { balance: past, isForgotten: false };
}

const balance = {
  name: 'balance',
  text: 'SELECT balance FROM balances WHERE user_id = $1::text',
};

/**
 * The user's balance; `undefined` for one who never had one.
 *
 * @throws (rejects) Error if it is no safe integer
 */
export async function readBalance(session: Session, userId: string): Promise<number | undefined> {
  const [row] = await session.query<{ balance: number | bigint }>(balance, [toKept(userId)]);
  if (typeof row?.balance === 'bigint') throw beyondBalance(userId, row.balance);
  return row?.balance;
}
