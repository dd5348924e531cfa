import { isHeldFailure } from '../../core/storage/holds/held-failure.ts';
import type { StoredHold, StoredHoldQuery } from '../../core/storage/holds/hold.ts';
import { withoutOrder } from '../../core/storage/holds/lane-settlement.ts';
import type { Settlement } from '../../core/storage/order-storage.ts';
import type { Session } from '../sessions/session.ts';
import { fromKept, toKept } from '../values/kept-text.ts';
import { textArray } from '../values/literals.ts';
import { partOfUser } from '../values/partition.ts';

const keep = {
  name: 'hold',
  text: `INSERT INTO holds (user_id, part, held_at, hold)
    SELECT $1::text, ${partOfUser('$1::text')}, $2::bigint, $3::text
    ON CONFLICT (user_id) DO UPDATE SET held_at = excluded.held_at, hold = excluded.hold`,
};

/** Keeps a hold, in place of the user's. */
async function keepHold(session: Session, { userId, heldAt, ...hold }: StoredHold): Promise<void> {
  await session.query(keep, [toKept(userId), heldAt, JSON.stringify(hold)]);
}

const end = { name: 'release', text: 'DELETE FROM holds WHERE user_id = $1::text' };

/** $1 users. In the order in which all transactions lock them. */
const ofUsers = {
  name: 'holds_of_users',
  text: `SELECT user_id, held_at, hold FROM holds WHERE user_id = ANY ($1::text[])
    ORDER BY user_id FOR UPDATE`,
};

/**
 * Ends the holds of failed orders that are settled in the same transaction; a lane that is held by hand as well stays
 * held.
 */
export async function endHoldsOf(
  session: Session,
  settlements: readonly Pick<Settlement, 'id' | 'userId'>[],
): Promise<void> {
  const users = [...new Set(settlements.map(({ userId }) => toKept(userId)))];
  const ids = new Set(settlements.map(({ id }) => id));
  for (const row of await session.query<Row>(ofUsers, [textArray(users)])) {
    const hold = holdOf(row);
    if (hold.orderId === undefined || !ids.has(hold.orderId)) continue;
    const left = withoutOrder(hold);
    if (left === undefined) await session.query(end, [row.user_id]);
    else await keepHold(session, left);
  }
}

const page = {
  name: 'holds_page',
  text: `SELECT user_id, held_at, hold FROM holds WHERE user_id > $1::text
    ORDER BY user_id LIMIT $2::int`,
};

interface Row {
  readonly user_id: string;
  readonly held_at: number | bigint;
  readonly hold: string;
}

/** One page of holds, by the bytes of the user ids as the database keeps them. */
export async function holdPage(
  session: Session,
  { after = '', limit }: StoredHoldQuery,
): Promise<readonly StoredHold[]> {
  const rows = await session.query<Row>(page, [toKept(after), limit]);
  return rows.map(holdOf);
}

/** $1 partition, $2 behind which user, $3 how many */
const pageOf = {
  name: 'holds_of',
  text: `SELECT user_id, held_at, hold FROM holds WHERE part = $1::smallint AND user_id > $2::text
    ORDER BY user_id LIMIT $3::int`,
};

/** The same of the users of one partition. */
export async function holdPageOf(
  session: Session,
  part: number,
  { after = '', limit }: StoredHoldQuery,
): Promise<readonly StoredHold[]> {
  const rows = await session.query<Row>(pageOf, [part, toKept(after), limit]);
  return rows.map(holdOf);
}

const ofUser = {
  name: 'hold_of',
  text: 'SELECT user_id, held_at, hold FROM holds WHERE user_id = $1::text',
};

/** The hold of one user. */
export async function holdOfUser(
  session: Session,
  userId: string,
): Promise<StoredHold | undefined> {
  const [row] = await session.query<Row>(ofUser, [toKept(userId)]);
  return row && holdOf(row);
}

/** What was changed by hand must not hide the hold: its age and its reason are for people. */
function holdOf({ user_id, held_at, hold }: Row): StoredHold {
  const kept = fieldsIn(hold);
  const { reason, orderId, code, message, compensated, failure } = kept;
  return {
    userId: fromKept(user_id),
    reason: textOf(reason),
    heldAt: typeof held_at === 'number' ? held_at : 0,
    ...(typeof orderId === 'string' && { orderId, code: textOf(code), message: textOf(message) }),
    ...(areTexts(compensated) && { compensated }),
    ...(isHeldFailure(failure) && { failure }),
  };
}

function fieldsIn(json: string): Readonly<Record<string, unknown>> {
  try {
    return (JSON.parse(json) as Readonly<Record<string, unknown>> | null) ?? {};
  } catch {
    return {};
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function areTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}
