/**
 * A storage of one's own: balances in two tables of a database. `checkBalanceStorage` says whether it keeps
 * the rules; then a processor uses it.
 */
import { DatabaseSync } from 'node:sqlite';
import { type BalanceChange, type BalanceStorage, OrderProcessor } from 'order-processor';
import { checkBalanceStorage } from 'order-processor/testing';

class TableStorage implements BalanceStorage {
  readonly #database = new DatabaseSync(':memory:');

  constructor() {
    this.#database.exec(`
      CREATE TABLE balances (user_id TEXT PRIMARY KEY, balance INTEGER NOT NULL);
      CREATE TABLE applied (order_id TEXT PRIMARY KEY, balance INTEGER NOT NULL);`);
  }

  get(userId: string): number | undefined {
    return this.#read('SELECT balance FROM balances WHERE user_id = ?', userId);
  }

  apply(changes: readonly BalanceChange[]) {
    this.#database.exec('BEGIN');
    try {
      const results = changes.map((change) => this.#applyOne(change));
      this.#database.exec('COMMIT');
      return results;
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  #applyOne({ orderId, userId, amount, minBalance = Number.NEGATIVE_INFINITY }: BalanceChange) {
    const before = this.#read('SELECT balance FROM applied WHERE order_id = ?', orderId);
    if (before !== undefined) return { balance: before };
    const balance = (this.get(userId) ?? 0) + amount;
    if (!Number.isSafeInteger(balance)) return { refused: 'balance_overflow' } as const;
    if (amount < 0 && balance < minBalance) return { refused: 'insufficient_funds' } as const;
    this.#database.prepare('REPLACE INTO balances VALUES (?, ?)').run(userId, balance);
    this.#database.prepare('INSERT INTO applied VALUES (?, ?)').run(orderId, balance);
    return { balance };
  }

  #read(sql: string, key: string): number | undefined {
    return this.#database.prepare(sql).get(key)?.balance as number | undefined;
  }

  close(): void {
    this.#database.close();
  }
}

// In an application this is the `test` of `node:test`, Vitest or Jest, in a test file.
const tests: { name: string; run: () => Promise<void> }[] = [];
const test = (name: string, run: () => Promise<void>) => tests.push({ name, run });

checkBalanceStorage({ test, create: () => new TableStorage() });
for (const { name, run } of tests) {
  await run();
  console.log(`ok ${name}`);
}
console.log(`${tests.length} tests passed\n`);

const processor = new OrderProcessor({ storage: new TableStorage(), minBalance: 0 });
const outcomes = await processor.submitMany([
  { userId: 'ada', amount: 1_200 },
  { userId: 'ben', amount: 500 },
  { userId: 'ada', amount: -200 },
  { userId: 'ben', amount: -501 },
]);
for (const outcome of outcomes) {
  if (outcome.status === 'completed') console.log(`${outcome.userId} has ${outcome.balance}`);
  else console.log(`${outcome.error.userId}: ${outcome.error.code}`);
}
await processor.shutdown();
