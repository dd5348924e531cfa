/** One suite for all storages: ours, and one as a host writes it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type BalanceStorage, MemoryStorage } from 'order-processor';
import { checkBalanceStorage, checkOrderStorage, type Fault } from 'order-processor/testing';
import { describe, test } from 'vitest';
import { SqliteStorage } from '../../../src/sqlite/index.ts';
import { DoubleTransaction } from '../../kit/double-transaction.ts';
import { SharedDatabase } from '../../kit/shared-database.ts';
import { SharedStorage } from '../../kit/shared-storage.ts';
import { failing } from '../../testing/failing.ts';

/** The one of the docstring of `BalanceStorage`. */
function hostStorage(): BalanceStorage {
  const balances = new Map<string, number>();
  const applied = new Map<string, number>();
  return {
    get: (userId) => balances.get(userId),
    apply: (changes) =>
      changes.map(({ orderId, userId, amount, minBalance = -Infinity }) => {
        const before = applied.get(orderId);
        if (before !== undefined) return { balance: before };
        const balance = (balances.get(userId) ?? 0) + amount;
        if (!Number.isSafeInteger(balance)) return { refused: 'balance_overflow' };
        if (amount < 0 && balance < minBalance) return { refused: 'insufficient_funds' };
        balances.set(userId, balance);
        applied.set(orderId, balance);
        return { balance };
      }),
  };
}

describe('a MemoryStorage', () => {
  checkOrderStorage({ test, create: () => new MemoryStorage() });
});

describe('a storage that answers later, and fails at times', () => {
  const { create, faults } = failing(() => new MemoryStorage());
  checkOrderStorage({ test, create, faults });
});

describe('a storage that processors share', () => {
  checkOrderStorage({
    test,
    create: () => {
      const database = new SharedDatabase(4);
      const storage = new SharedStorage(database);
      for (const partition of database.owners.keys()) database.give(partition, storage);
      return storage;
    },
    beside: async ({ database }) => {
      const storage = new SharedStorage(database);
      for (const partition of [0, 2]) database.release(partition, () => storage);
      while ([0, 2].some((each) => database.owners[each]?.storage !== storage)) await nextTurn();
      return storage;
    },
    transaction: ({ database }) => {
      const client = new DoubleTransaction(database);
      return { client, commit: () => client.commit(), rollback: () => {} };
    },
  });
});

describe('a storage of a host', () => {
  checkBalanceStorage({ test, create: hostStorage });
});

/** A trigger makes a transaction fail in its middle, where such an order is written. */
function breakTransactions(which: string): Fault<SqliteStorage> {
  return ({ path }) => {
    const database = new DatabaseSync(path);
    for (const action of ['INSERT', 'UPDATE']) {
      database.exec(
        `CREATE TRIGGER fault_${action} BEFORE ${action} ON orders WHEN ${which}
         BEGIN SELECT RAISE(ROLLBACK, 'fault'); END`,
      );
    }
    return () => {
      database.exec('DROP TRIGGER fault_INSERT; DROP TRIGGER fault_UPDATE');
      database.close();
    };
  };
}

/** Transactions are committed, but the answer is lost. */
function loseAnswers(storage: SqliteStorage): () => void {
  const { accept, settle, apply } = storage;
  const lost = async (answer: Promise<unknown>): Promise<never> => {
    await answer;
    throw new Error('The answer got lost');
  };
  storage.accept = (orders) => lost(accept.call(storage, orders));
  storage.settle = (settlements) => lost(settle.call(storage, settlements));
  storage.apply = (changes) => lost(apply.call(storage, changes));
  return () => void Object.assign(storage, { accept, settle, apply });
}

describe('a SqliteStorage', () => {
  checkOrderStorage({
    // Most of a test is waiting for the disk.
    test: test.concurrent,
    create: () => {
      const folder = mkdtempSync(join(tmpdir(), 'order-processor-'));
      return SqliteStorage.open(join(folder, 'orders.db'));
    },
    reopen: ({ path }) => SqliteStorage.open(path),
    destroy: ({ path }) => rmSync(dirname(path), { recursive: true }),
    faults: {
      before: breakTransactions("NEW.id = 'fault'"),
      after: loseAnswers,
      full: breakTransactions('TRUE'),
    },
  });
});
