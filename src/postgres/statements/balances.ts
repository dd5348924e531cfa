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
