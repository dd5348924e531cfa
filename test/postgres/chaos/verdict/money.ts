import type { StoredOrder } from '../../../../src/index.ts';
import type { PostgresStorage } from '../../../../src/postgres/postgres-storage.ts';
import { users } from '../load/orders.ts';

/** Invariant 3, and the bound of balances. */
export async function wrongMoney(
  storage: PostgresStorage,
  settled: readonly StoredOrder[],
): Promise<string[]> {
  const problems: string[] = [];
  let balances = 0;
  for (const userId of users) {
    let balance = 0;
    for (let after = 0; ; ) {
      const query = { userId, after, from: undefined, before: undefined, limit: 1_000 };
      const { movements, next } = await storage.movements(query);
      for (const movement of movements) {
        balance += movement.amount;
        if (movement.balance !== balance) {
          problems.push(`${userId}: ${JSON.stringify(movement)} leaves ${balance} (invariant 3)`);
        }
        if (balance < 0) problems.push(`${userId} has ${balance}: below minBalance`);
      }
      if (next === undefined) break;
      after = next;
    }
    const kept = (await storage.get(userId)) ?? 0;
    if (kept !== balance) problems.push(`${userId} has ${kept}, its movements make ${balance}`);
    balances += kept;
  }
  let fromOutside = 0;
  for (const order of settled) {
    if (order.status !== 'completed') continue;
    const sum = order.postings.reduce((total, { amount }) => total + amount, order.amount);
    const ordered = order.postings.reduce(
      (total, { orderedAmount }) => total + orderedAmount,
      order.orderedAmount,
    );
    if (ordered === 0 && sum !== 0) problems.push(`${order.id} is a transfer that makes ${sum}`);
    fromOutside += sum;
  }
  if (balances !== fromOutside) {
    problems.push(`All accounts have ${balances}, outside money makes it ${fromOutside}`);
  }
  return problems;
}
