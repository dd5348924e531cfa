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
  database.close();
  return [
    ...rows.filter(({ status }) => status === 'pending').map(({ id }) => `${id} is unsettled`),
    ...brokenPromises(new Map(rows.map((row) => [row.id, row])), acknowledged),
    ...[...Map.groupBy(rows, ({ user_id }) => user_id)].flatMap(([userId, own]) =>
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

/** @param rows - one user's, in the order in which the file took them in */
function wrongBalances(rows: readonly Row[], balance: number): string[] {
  const completed = rows.filter(({ status }) => status === 'completed');
  const isPlain = completed.every(({ amount }) => amount > 0);
  // The file's order is that in which orders were kept, and with steps all are kept before they are settled;
  // without steps, and so without debits, the balances show it.
  const settled = isPlain
    ? completed.toSorted((one, other) => Number(one.balance) - Number(other.balance))
    : completed;
  const faults: string[] = [];
  let sum = 0;
  let last = 0;
  for (const { id, accepted_at, amount, balance: after } of settled) {
    sum += amount;
    if (after !== sum) faults.push(`${id} left ${after}, the orders before it and it make ${sum}`);
    if (accepted_at < last) faults.push(`${id} was settled after one accepted later`);
    last = accepted_at;
  }
  if (sum !== balance)
    faults.push(`${rows[0]?.user_id} has ${balance}, completed orders make ${sum}`);
  return faults;
}
