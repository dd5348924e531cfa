import type {
  StoredBalance,
  StoredBalanceQuery,
} from '../../core/storage/history/history-storage.ts';
import { beyondBalance } from '../../core/storage/reading/unreadable-orders.ts';
import type { Integer } from '../decisions/account.ts';
import type { Session, Statement } from '../sessions/session.ts';
import { fromKept, toKept } from '../values/kept-text.ts';
import { textArray } from '../values/literals.ts';

const read: Statement = {
  name: 'balances',
  text: 'SELECT user_id, balance FROM balances WHERE user_id = ANY ($1::text[])',
};

/** In the order in which settlements lock them. */
const lock: Statement = {
  name: 'lock_balances',
  text: `SELECT user_id, balance FROM balances WHERE user_id = ANY ($1::text[]) ORDER BY user_id
    FOR NO KEY UPDATE`,
};

/**
 * The balances of users; none for a user who has had none.
 *
 * @param isLocking - no other transaction changes them before the present one has ended
 */
export async function balancesOf(
  session: Session,
  userIds: readonly string[],
  isLocking: boolean,
): Promise<Map<string, Integer>> {
  const rows = await session.query<{ user_id: string; balance: Integer }>(isLocking ? lock : read, [
    textArray(userIds.map((userId) => toKept(userId))),
  ]);
  return new Map(rows.map(({ user_id, balance }) => [fromKept(user_id), balance]));
}

const page: Statement = {
  name: 'balances_page',
  text: `SELECT b.user_id, b.balance, o.applied_at AS "knownFrom"
    FROM (SELECT user_id, balance FROM balances WHERE user_id > $1::text ORDER BY user_id LIMIT $2::int) b
    LEFT JOIN LATERAL (SELECT applied_at FROM openings WHERE user_id = b.user_id OFFSET 0) o ON true
    ORDER BY b.user_id`,
};

/**
 * One page of balances, by the bytes of the user ids as the database keeps them.
 *
 * @throws (rejects) Error if one is no safe integer
 */
export async function balancePage(
  session: Session,
  { after = '', limit }: StoredBalanceQuery,
): Promise<readonly StoredBalance[]> {
  const rows = await session.query<{
    readonly user_id: string;
    readonly balance: Integer;
    readonly knownFrom: number | null;
  }>(page, [toKept(after), limit]);
  return rows.map(({ user_id, balance, knownFrom }) => {
    const userId = fromKept(user_id);
    if (typeof balance === 'bigint') throw beyondBalance(userId, balance);
    return { userId, balance, knownFrom: knownFrom ?? undefined };
  });
}
