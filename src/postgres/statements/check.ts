import { quote } from '../../core/runtime/thrown.ts';
import type { Session, Value } from '../sessions/session.ts';
import { fromKept } from '../values/kept-text.ts';
import { bounded, type SizedRow, selectedSize } from '../values/pages.ts';
import { besideOrder, type OrderRow, orderColumns, orderOf } from '../values/rows.ts';

/** How many problems of each kind are reported. */
const mostProblems = 100;

/** So many users are summed up in one statement: a long one would keep the server from cleaning up. */
const someUsers = 100;

/** So many orders are looked at in one statement. */
const piece = 1_000;

/** Orders of more bytes are looked at in several. */
const pieceBytes = 16_000_000;

/** Beyond 64 bits a sum is no `bigint`: it comes as a text. */
interface Sums {
  readonly user_id: string;
  readonly balance: string | null;
  readonly ought: string | null;
}

const sumOf = (user: string): string => `(SELECT sum(amount)::text FROM (
    SELECT amount::numeric FROM openings WHERE user_id = ${user}
    UNION ALL SELECT amount FROM outcomes WHERE user_id = ${user} AND balance IS NOT NULL
    UNION ALL SELECT amount FROM credits WHERE user_id = ${user}) movements)`;

/** Each statement sees balances and movements as they were at one time. */
const balances = `SELECT u.user_id, u.balance::text AS balance, ${sumOf('u.user_id')} AS ought
  FROM (SELECT user_id, balance FROM balances WHERE user_id > $1::text
    ORDER BY user_id LIMIT ${someUsers}) u ORDER BY u.user_id`;

/** Users of a table of movements, each with its balance, if there is one. */
const usersOf = (table: string, where = ''): string => `
  SELECT u.user_id, b.balance::text AS balance,
    CASE WHEN b.user_id IS NULL THEN ${sumOf('u.user_id')} ELSE b.balance::text END AS ought
  FROM (SELECT DISTINCT user_id FROM ${table} WHERE user_id > $1::text ${where}
    ORDER BY user_id LIMIT ${someUsers}) u
  LEFT JOIN LATERAL (SELECT user_id, balance FROM balances WHERE user_id = u.user_id OFFSET 0) b ON true
  ORDER BY u.user_id`;

const orders = bounded(
  `SELECT ${orderColumns}, ${selectedSize}, s.seq IS NOT NULL AS "isSettled", p.seq IS NOT NULL AS "isPending"
    FROM (SELECT * FROM orders WHERE seq > $1::bigint ORDER BY seq LIMIT ${piece}) o ${besideOrder}`,
  'seq',
  `${pieceBytes}`,
);

/** Rows of a table whose order is not there. */
const withoutOrder = (table: string): string => `SELECT t.seq, o.seq IS NULL AS "isAlone"
  FROM (SELECT seq FROM ${table} WHERE seq > $1::bigint ORDER BY seq LIMIT ${piece}) t
  LEFT JOIN LATERAL (SELECT seq FROM orders WHERE seq = t.seq OFFSET 0) o ON true ORDER BY t.seq`;

/**
 * Reads all tables, while calls go on, and looks for contradictions: balances that are not the sum of their movements,
 * orders that cannot be read, rows without their order. It holds no more in memory than a thousand of them.
 *
 * @returns (resolves) what is wrong, for people; empty if nothing is
 */
export async function checkSchema(session: Session): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const sums of [
    balances,
    usersOf('outcomes', 'AND balance IS NOT NULL'),
    usersOf('credits'),
    usersOf('openings'),
  ]) {
    await collect(problems, '', ({ user_id }: Sums) => user_id, wrongSum, session, sums);
  }
  const seqOf = ({ seq }: { readonly seq: number }): number => seq;
  await collect(problems, 0, seqOf, wrongOrder, session, orders);
  for (const table of ['outcomes', 'pending']) {
    const alone = ({ seq, isAlone }: { readonly seq: number; readonly isAlone: boolean }) =>
      isAlone ? `A row of ${table} has no order: its seq is ${seq}` : undefined;
    await collect(problems, 0, seqOf, alone, session, withoutOrder(table));
  }
  return problems;
}

/** Reads a table to its end, a piece at a time, and adds what is wrong, up to a bound. */
async function collect<Row extends object, Place extends Value>(
  problems: string[],
  first: Place,
  placeOf: (row: Row) => Place,
  problemOf: (row: Row) => string | undefined,
  session: Session,
  text: string,
): Promise<void> {
  let found = 0;
  let after = first;
  for (;;) {
    const rows = (await session.query(text, [after])) as readonly Row[];
    for (const row of rows) {
      const problem = problemOf(row);
      if (problem === undefined) continue;
      problems.push(problem);
      found += 1;
      if (found === mostProblems) return;
    }
    const last = rows.at(-1);
    if (last === undefined) return;
    after = placeOf(last);
  }
}

function wrongSum({ user_id, balance, ought }: Sums): string | undefined {
  // A balance without movements, of nothing, is none of a movement of nothing.
  if (balance === (balance === null ? ought : (ought ?? '0'))) return undefined;
  return `The balance of user ${quote(fromKept(user_id))} is ${balance ?? 'none'}, but its movements sum up to ${ought ?? '0'}`;
}

function wrongOrder(
  row: OrderRow & SizedRow & { readonly isSettled: boolean; readonly isPending: boolean },
): string | undefined {
  const name = `The order ${quote(fromKept(row.id))}`;
  if (row.isSettled === row.isPending) {
    return `${name} is ${row.isSettled ? 'both' : 'neither'} settled ${row.isSettled ? 'and' : 'nor'} unsettled`;
  }
  try {
    orderOf(row);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
