import { DatabaseSync } from 'node:sqlite';

/** What the process that is to be killed says before it is. */
export type Acknowledgement =
  | { readonly ready: number }
  | { readonly enqueued: string }
  | { readonly completed: string; readonly balance: number }
  | { readonly failed: string; readonly code: string }
  | { readonly canceled: string }
  /** Its caller gave up: it was canceled, or never accepted. */
  | { readonly gone: string }
  | { readonly fault: string; readonly id: string };

interface Row {
  readonly id: string;
  readonly user_id: string;
  readonly amount: number;
  readonly accepted_at: number;
  readonly status: string;
  readonly balance: number | null;
  readonly code: string | null;
  readonly settlement: number | null;
}

/** Everything that is wrong with a file whose orders are all settled; empty if nothing is. */
export function judge(file: string, acknowledged: readonly Acknowledgement[]): string[] {
  const database = new DatabaseSync(file, { readOnly: true });
  const rows = database.prepare('SELECT * FROM orders ORDER BY seq').all() as unknown as Row[];
  const balances = new Map(
    (
      database.prepare('SELECT user_id, balance FROM balances').all() as {
        user_id: string;
        balance: number;
      }[]
    ).map(({ user_id, balance }) => [user_id, balance]),
  );
  const changes = database.prepare(movements).all() as unknown as Movement[];
  const numbers = new Set(rows.map(({ settlement }) => settlement));
  database.close();
  return [
    ...(numbers.size === rows.length ? [] : ['two settlements have one number']),
    ...rows.filter(({ status }) => status === 'pending').map(({ id }) => `${id} is unsettled`),
    ...brokenPromises(new Map(rows.map((row) => [row.id, row])), acknowledged),
    ...[...Map.groupBy(changes, ({ user_id }) => user_id)].flatMap(([userId, own]) =>
      wrongBalances(own, balances.get(userId) ?? 0),
    ),
  ];
}

function brokenPromises(
  rows: ReadonlyMap<string, Row>,
  acknowledged: readonly Acknowledgement[],
): string[] {
  const faults: string[] = [];
  const expect = (id: string, isKept: (row: Row | undefined) => boolean, what: string): void => {
    const row = rows.get(id);
    if (!isKept(row))
      faults.push(`${id} was acknowledged as ${what}, found ${JSON.stringify(row)}`);
  };
  for (const each of acknowledged) {
    if ('fault' in each) faults.push(`${each.id}: ${each.fault}`);
    else if ('enqueued' in each) expect(each.enqueued, (row) => row !== undefined, 'accepted');
    else if ('completed' in each) {
      const { balance } = each;
      const isSame = (row: Row | undefined): boolean =>
        row?.status === 'completed' && row.balance === balance;
      expect(each.completed, isSame, `completed with ${balance}`);
    } else if ('failed' in each) {
      const { code } = each;
      const isSame = (row: Row | undefined): boolean =>
        row?.status === 'failed' && row.code === code;
      expect(each.failed, isSame, `failed with ${code}`);
    } else if ('canceled' in each) {
      expect(each.canceled, (row) => row?.status === 'canceled', 'canceled');
    } else if ('gone' in each) {
      expect(
        each.gone,
        (row) => row === undefined || row.status === 'canceled',
        'canceled or none',
      );
    }
  }
  return faults;
}

/** A change of a user's balance, as the file has it. */
interface Movement {
  readonly id: string;
  readonly user_id: string;
  readonly amount: number;
  readonly balance: number;
  readonly settlement: number;
  /** Of an own order that was not delayed, and not of a posting. */
  readonly accepted_at: number | null;
}

const movements = `
  SELECT id, user_id, amount, balance, settlement, iif(not_before IS NULL, accepted_at, NULL) AS accepted_at
  FROM orders WHERE status = 'completed'
  UNION ALL
  SELECT orders.id, postings.user_id, postings.amount, postings.balance, postings.settlement, NULL
  FROM postings JOIN orders USING (seq)
  ORDER BY settlement`;

/** @param own - one user's, in the order in which they were settled */
function wrongBalances(own: readonly Movement[], balance: number): string[] {
  const faults: string[] = [];
  let sum = 0;
  let last = 0;
  for (const { id, accepted_at, amount, balance: after } of own) {
    sum += amount;
    if (after !== sum) faults.push(`${id} left ${after}, the orders before it and it make ${sum}`);
    if (accepted_at === null) continue;
    if (accepted_at < last) faults.push(`${id} was settled after one accepted later`);
    last = accepted_at;
  }
  if (sum !== balance)
    faults.push(`${own[0]?.user_id} has ${balance}, completed orders make ${sum}`);
  return faults;
}
